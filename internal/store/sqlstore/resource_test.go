package sqlstore

import (
	"slices"
	"testing"

	"github.com/ducatpay/ducat/internal/resource"
)

// TestKeys reads back what was written, whatever a merchant put into metadata.
func TestKeys(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]resource.Key{
		nil,
		{{Name: "payment", Value: "pay_1"}},
		{{Name: "payment", Value: "pay_1"}, {Name: "", Value: ""}, {Name: "metadata:Größe", Value: "[{,}]: 40 <½>"}},
		{{Name: "metadata:a", Value: `says "b", and \`}, {Name: "metadata:\n", Value: "\u2028"}},
		{{Name: `"`, Value: "x"}},
	} {
		stored, err := encodeKeys(keys)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeKeys(stored)
		if err != nil || !slices.Equal(got, keys) {
			t.Errorf("%s: got %q, %v; want %q", stored, got, err, keys)
		}
	}
}
