package stripe

import (
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// specimen has every member that a difference is about.
func specimen() obj {
	return obj{"object": "list", "data": []any{
		obj{"id": "ch_1", "object": "charge", "status": "succeeded", "description": nil, "statement_descriptor": "SHOP", "source": obj{"id": "src_1", "object": "source", "owner": nil},
			"refunds": obj{"object": "list", "data": []any{obj{"id": "re_1", "object": "refund", "reason": nil}}}},
		obj{"id": "cus_1", "object": "customer", "balance": 0, "default_source": "src_1", "sources": obj{"object": "list", "data": []any{}}},
		obj{"id": "cus_2", "object": "customer", "deleted": true},
		obj{"id": "dp_1", "object": "dispute", "evidence": obj{"uncategorized_text": "so it was"}, "evidence_details": obj{"due_by": int64(1)}, "balance_transaction": "txn_1", "balance_transactions": []any{}},
		obj{"id": "file_1", "object": "file", "type": "png"},
		obj{"id": "po_1", "object": "payout", "trace_id": obj{"status": "unsupported", "value": nil}},
		obj{"id": "pi_1", "object": "payment_intent", "status": "requires_action", "payment_method_types": []any{"alipay"}, "next_action": obj{"type": "redirect_to_url", "redirect_to_url": obj{"url": "x"}}},
		obj{"id": "txn_1", "object": "balance_transaction", "type": "payout", "source": "po_1"},
		obj{"id": "evt_1", "object": "event", "data": obj{"object": obj{"id": "ch_1", "object": "charge", "status": "succeeded"}}},
	}}
}

// TestOlderTwiceIsOlderOnce: an object that has a version's shape keeps it, and
// events keep the shape they were made in.
func TestOlderTwiceIsOlderOnce(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		once, twice := specimen(), specimen()
		older(version, once)
		older(version, twice)
		older(version, twice)
		if !reflect.DeepEqual(once, twice) {
			t.Errorf("%s:\n%s\n%s", version, encode(once), encode(twice))
		}
		events := once["data"].([]any)
		if got := events[len(events)-1]; !reflect.DeepEqual(got, specimen()["data"].([]any)[len(events)-1]) {
			t.Errorf("%s: an event was rendered again: %s", version, encode(got))
		}
	}
	untouched := specimen()
	older(versions[len(versions)-1], untouched)
	if !reflect.DeepEqual(untouched, specimen()) {
		t.Errorf("the newest version has another shape: %s", encode(untouched))
	}
}

// FuzzKeyOf: whatever the header says, a key is found or refused, and an error
// shows no more of it than its prefix and its end.
func FuzzKeyOf(f *testing.F) {
	for _, s := range []string{"", "Bearer", "Bearer sk_test_0123456789abcdef", "Basic c2tfdGVzdDo=", "basic \x00", "Bearer \xff\xfe", "sk_test_x y"} {
		f.Add(s, "pk_test_0123456789abcdef")
	}
	f.Fuzz(func(t *testing.T, header, param string) {
		r := httptest.NewRequest("GET", "/v1/balance", nil)
		r.Header.Set("Authorization", header)
		key, refused := keyOf(r, param)
		if (key == "") == (refused == nil) {
			t.Fatalf("%q: key %q, refused %v", header, key, refused)
		}
		if len(key) < 20 || len(key) > 255 {
			return
		}
		for _, shown := range []int{4, 6} {
			if masked := maskTo(key, shown); len(masked) != len(key) || strings.Count(masked, "*") < len(key)-9-shown {
				t.Fatalf("%q is shown as %q", key, masked)
			}
		}
	})
}

// FuzzMultipart: a multipart body is read, or refused in the words of the wire.
func FuzzMultipart(f *testing.F) {
	for _, body := range []string{
		"", "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\ndispute_evidence\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n\x89PNG\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"a[\"\r\n\r\n\x00\r\n--b--", "--b\r\n\r\n--b\r\n\r\n--b--",
	} {
		f.Add(body, "multipart/form-data; boundary=b")
	}
	f.Add("x", "multipart/form-data")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		r := httptest.NewRequest("POST", "/v1/files", strings.NewReader(body))
		_, up, err := readMultipart(r, contentType)
		if err == nil {
			if up != nil && strings.ContainsAny(up.filename, "/\\") {
				t.Fatalf("a file name with a path: %q", up.filename)
			}
			return
		}
		_, wire := errors.AsType[*wireError](err)
		_, grammar := errors.AsType[*form.Error](err)
		if !wire && !grammar {
			t.Fatalf("%q: %v", body, err)
		}
	})
}
