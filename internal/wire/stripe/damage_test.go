package stripe_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
)

// TestDamagedRows: rows and answers that cannot be read are internal errors of
// those who ask for them, break no invariant, and are nobody else's trouble.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, w *world) {
		whole := w.must(w.post("/v1/customers", "name", "whole"))["id"].(string)
		again := func() response {
			return w.do("POST", "/v1/customers", map[string]string{"Idempotency-Key": "order-77"}, "name", "Ann", "description", strings.Repeat("long enough to be packed ", 10))
		}
		w.must(again())
		damaged := w.list("/v1/events")[0]["id"].(string)
		var event, answer []byte // as they were
		id := merchant.IDFor(w.must(w.get("/v1/account"))["id"].(string), false)
		for name, harm := range map[string]func(b []byte) []byte{
			"cut":                func(b []byte) []byte { return b[:len(b)/2] },
			"another dictionary": func(b []byte) []byte { return append([]byte{7}, b[1:]...) },
			"no JSON":            func(b []byte) []byte { return []byte("{") },
			"nothing":            func(b []byte) []byte { return nil },
			"another JSON":       func(b []byte) []byte { return []byte(`{"type":[],"object":1}`) },
			"an empty object":    func(b []byte) []byte { return []byte(`{}`) },
		} {
			if err := w.srv.Engine.Update(context.Background(), id, engine.Cause{}, func(t *engine.Tx) error {
				row, err := t.Resource("stripe.event", damaged)
				if err != nil {
					return err
				}
				a, err := t.Answer("order-77")
				if err != nil {
					return err
				}
				if err := t.DeleteAnswer(a.Key); err != nil {
					return err
				}
				if event == nil {
					event, answer = row.Body, a.Body
				}
				row.Body, a.Body = harm(slices.Clone(event)), harm(slices.Clone(answer))
				if err := t.UpdateResource(row); err != nil {
					return err
				}
				claim := a
				claim.Status, claim.Body = 0, nil
				if err := t.InsertAnswer(claim); err != nil {
					return err
				}
				return t.FinishAnswer(a)
			}); err != nil {
				t.Fatal(name, err)
			}
			for _, path := range []string{"/v1/events/" + damaged, "/v1/events"} {
				if r := w.get(path); r.status != 500 || r.err()["type"] != "api_error" {
					t.Errorf("%s: %s: %d %s", name, path, r.status, r.body)
				}
			}
			if name == "cut" || name == "another dictionary" {
				if r := again(); r.status != 500 || r.err()["type"] != "api_error" {
					t.Errorf("%s: the answer: %d %s", name, r.status, r.body)
				}
			}
			w.must(w.get("/v1/customers/" + whole))
		}
		res, err := http.Get(w.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		metrics, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(metrics), "\nducat_broken_invariants_total 0\n") {
			t.Errorf("%d %.2000s", res.StatusCode, metrics)
		}
	})
}
