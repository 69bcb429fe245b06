package antom

import (
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
)

func sortOf(rowID string) string {
	s, ok := id.Sort(rowID)
	if !ok {
		panic("antom: id " + rowID + " is not one of ours")
	}
	return s
}

func encodeBody(v any) []byte { return resource.Encode(v) }

func decodeBody[T any](row resource.Row) (T, error) { return resource.Decode[T](row) }
