package stripe

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/resource"
)

// TestDictionaryIsFixed: with another text, no database could be read any more. A
// better dictionary gets another number beside this one.
func TestDictionaryIsFixed(t *testing.T) {
	t.Parallel()
	const want = "ef47819ae72c115e244c53009f1171c4695deb7736b273ea9a35f66f47a769a0"
	sum := sha256.Sum256(dictionaryText)
	if got := hex.EncodeToString(sum[:]); got != want {
		t.Errorf("the dictionary is %s", got)
	}
}

// TestStoredEvents: rows of former versions, which are not packed, are read like
// those that are, and what cannot be read is said.
func TestStoredEvents(t *testing.T) {
	t.Parallel()
	full := rendition{typ: "customer.created", version: "2026-03-25.dahlia", requestID: "req_1", object: obj{
		"id": "cus_1", "object": "customer", "address": nil, "balance": 0, "currency": nil, "default_source": nil, "delinquent": false,
		"description": nil, "email": "jenny@example.com", "livemode": false, "metadata": obj{}, "name": nil, "phone": nil,
	}}
	text := full.appendTo(nil)
	packed := dictionary().Pack(text)
	if len(packed)*3 > len(text) {
		t.Errorf("an event of %d bytes takes %d", len(text), len(packed))
	}
	for name, body := range map[string][]byte{"packed": packed, "of a former version": text} {
		got, err := decodeEvent(resource.Row{Kind: kindEvent, ID: "evt_1", Body: body})
		if err != nil || got.Type != full.typ || !bytes.Equal(got.Object, encodeCompact(full.object)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := decodeEvent(resource.Row{Kind: kindEvent, ID: "evt_1", Body: packed[:9]}); err == nil {
		t.Errorf("what is damaged is %+v", got)
	}
	// Whatever is damaged is an event or an error that names the row.
	for name, body := range damaged(packed, text) {
		row := resource.Row{Kind: kindEvent, ID: "evt_1", Body: body}
		e, err := renditionOf(row)
		if err == nil {
			o := e.render(row, false, 1)
			older(versions[0], o)
			encode(o)
			continue
		}
		if !strings.Contains(err.Error(), "evt_1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// damaged are bodies with one bit that is wrong, or whose end is missing.
func damaged(bodies ...[]byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for i, whole := range bodies {
			for at := range whole {
				if !yield(fmt.Sprintf("body %d, cut at %d", i, at), whole[:at]) {
					return
				}
				for bit := range 8 {
					body := bytes.Clone(whole)
					body[at] ^= 1 << bit
					if !yield(fmt.Sprintf("body %d, bit %d of byte %d", i, bit, at), body) {
						return
					}
				}
			}
		}
	}
}
