package multisafepay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/resource"
)

// TestDictionaryIsFixed: with another text, no database could be read any more. A
// better dictionary gets another number beside this one.
func TestDictionaryIsFixed(t *testing.T) {
	t.Parallel()
	const want = "8abeca01717c0714b39813234b1c3c62adc8a32301b8d092020b22b8354312fa"
	sum := sha256.Sum256(dictionaryText)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the dictionary is %s", got)
	}
}

// TestStoredOrders: rows of former versions, which are not packed, are read like
// those that are, and what cannot be read is said.
func TestStoredOrders(t *testing.T) {
	t.Parallel()
	want := order{OrderID: "my-order", Currency: "EUR", Amount: 1000, Description: "Test order description", Email: "jenny@example.com", Status: "initialized", Financial: "initialized"}
	text := resource.Encode(&want)
	packed := dictionary().Pack(text)
	if len(packed)*2 > len(text) {
		t.Errorf("an order of %d bytes takes %d", len(text), len(packed))
	}
	for name, body := range map[string][]byte{"packed": packed, "of a former version": text} {
		got, err := orderOf(resource.Row{Kind: kindOrder, ID: "1", Body: body})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := orderOf(resource.Row{Kind: kindOrder, ID: "1", Body: packed[:9]}); err == nil {
		t.Errorf("what is damaged is %+v", got)
	}
	// Whatever is damaged is an order or an error that names the row.
	for at := range packed {
		bodies := [][]byte{packed[:at]}
		for bit := range 8 {
			b := bytes.Clone(packed)
			b[at] ^= 1 << bit
			bodies = append(bodies, b)
		}
		for _, b := range bodies {
			if _, err := orderOf(resource.Row{Kind: kindOrder, ID: "order-1", Body: b}); err != nil && !strings.Contains(err.Error(), "order-1") {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	}
}

// TestStoredPersons: a person is kept as former versions kept one, member by member.
func TestStoredPersons(t *testing.T) {
	t.Parallel()
	var p person
	names := map[string]string{}
	for _, e := range echoed {
		*e.of(&p) = "<" + e.name + ">"
		names[e.name] = "<" + e.name + ">"
	}
	if got, want := string(resource.Encode(p)), string(resource.Encode(names)); got != want || reflect.TypeFor[person]().NumField() != len(names) {
		t.Errorf("kept as %s, formerly %s", got, want)
	}
	if text := string(resource.Encode(order{})); strings.Contains(text, "customer") {
		t.Errorf("nobody is kept: %s", text)
	}
}
