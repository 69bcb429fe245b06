package multisafepay

import (
	_ "embed"
	"sync"

	"github.com/ducatpay/ducat/internal/pack"
	"github.com/ducatpay/ducat/internal/resource"
)

// dictionaryText is orders as shops send them, the plainest last. What databases
// keep was packed with it: it is never changed.
//
//go:embed dictionary.txt
var dictionaryText []byte

// dictionary packs orders, which repeat addresses and names of fields.
var dictionary = sync.OnceValue(func() *pack.Dictionary { return pack.New(1, dictionaryText) })

// orderOf reads an order's row, which saveOrder wrote. Rows of former versions are
// not packed.
func orderOf(r resource.Row) (order, error) {
	return resource.DecodeAs[order](r, dictionary().Unpack)
}

// readOrder is orderOf what was read, if something was.
func readOrder(row resource.Row, err error) (resource.Row, order, error) {
	if err != nil {
		return row, order{}, err
	}
	o, err := orderOf(row)
	return row, o, err
}
