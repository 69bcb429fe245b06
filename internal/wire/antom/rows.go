package antom

import (
	"encoding/json"
	"fmt"

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

func encodeBody(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("antom: " + err.Error()) // our own rows always marshal
	}
	return b
}

func decodeBody[T any](row resource.Row) (b T, err error) {
	if err = json.Unmarshal(row.Body, &b); err != nil {
		err = fmt.Errorf("%s %s: %w", row.Kind, row.ID, err)
	}
	return b, err
}
