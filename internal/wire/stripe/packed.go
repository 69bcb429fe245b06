package stripe

import (
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/pack"
	"github.com/ducatpay/ducat/internal/resource"
)

// dictionaryText is an object and an event of each kind there are many of, those
// of most payments last. What databases keep was packed with it: it is never
// changed.
//
//go:embed dictionary.txt
var dictionaryText []byte

// dictionary packs what is stored as it was rendered: events, what is delivered of
// them, and answers to idempotent requests.
var dictionary = sync.OnceValue(func() *pack.Dictionary { return pack.New(1, dictionaryText) })

// decodeEvent reads an event's row. Rows of former versions are not packed.
func decodeEvent(r resource.Row) (eventBody, error) {
	b, err := resource.DecodeAs[eventBody](r, dictionary().Unpack)
	if err == nil && (b.Type == "" || len(b.APIVersion) < len(time.DateOnly) || len(b.Object) == 0 || b.Object[0] != '{') {
		err = fmt.Errorf("%s %s: damaged: it has no type, version or object", r.Kind, r.ID)
	}
	return b, err
}
