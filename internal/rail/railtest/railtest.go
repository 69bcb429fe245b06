// Package railtest is the contract of a rail: what the engine relies on,
// whoever answers. A rail's own test calls Run.
package railtest

import (
	"context"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/rail"
)

// Harness is a rail under test.
type Harness struct {
	Rail rail.Rail
	// Refusing instructs the rail, through a request's script or otherwise, to
	// refuse the step; Failing to end it without a known outcome.
	Refusing func(r rail.Request, step string) rail.Request
	Failing  func(r rail.Request, step string) rail.Request
}

func request(id string) rail.Request {
	at := time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)
	return rail.Request{ID: id, Payment: "pay_1", Attempt: "att_1", Merchant: "acct_1", Descriptor: "SHOP", Method: "alipay", Amount: money.Of(1099, "USD"), Until: at.Add(time.Hour), At: at}
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	t.Helper()
	ctx := context.Background()
	verbs := map[string]func(context.Context, rail.Request) (rail.Outcome, error){
		"authorize": h.Rail.Authorize, "capture": h.Rail.Capture, "void": h.Rail.Void, "refund": h.Rail.Refund,
	}
	t.Run("HasAName", func(t *testing.T) {
		if h.Rail.Name() == "" {
			t.Error("stored payments name their rail")
		}
	})
	for step, ask := range verbs {
		t.Run("AskingTwiceIsAskingOnce/"+step, func(t *testing.T) {
			first, err := ask(ctx, request("op_"+step))
			if err != nil {
				t.Fatal(err)
			}
			again, err := ask(ctx, request("op_"+step))
			if err != nil || first != again {
				t.Errorf("first %+v, again %+v, %v", first, again, err)
			}
		})
		t.Run("AnswersWithAStatus/"+step, func(t *testing.T) {
			out, err := ask(ctx, request("status_"+step))
			if err != nil || out.Status < rail.Done || out.Status > rail.Redirect {
				t.Errorf("%+v, %v", out, err)
			}
			if step != "authorize" && out.Status == rail.Redirect {
				t.Error("only an authorisation can need the payer")
			}
		})
	}
	for _, step := range []string{"capture"} {
		t.Run("RefusalIsAnOutcome/"+step, func(t *testing.T) {
			out, err := verbs[step](ctx, h.Refusing(request("no_"+step), step))
			if err != nil || out.Status != rail.Refused || out.Reason == "" {
				t.Errorf("%+v, %v; want a refusal with a reason", out, err)
			}
		})
	}
	for _, step := range []string{"authorize", "capture", "void", "refund"} {
		t.Run("UnknownOutcomeIsAnError/"+step, func(t *testing.T) {
			if out, err := verbs[step](ctx, h.Failing(request("lost_"+step), step)); err == nil {
				t.Errorf("%+v; want an error", out)
			}
		})
	}
	sim, ok := h.Rail.(rail.Simulated)
	if !ok {
		return
	}
	for _, d := range []rail.Decision{rail.Approve, rail.Decline, rail.Abort} {
		t.Run("DecisionMakesOneNotice/"+string(d), func(t *testing.T) {
			plan := sim.Decide(request("op_decide"), d)
			if len(plan) != 1 || plan[0].Notice.ID == "" || plan[0].Notice.Payment != "pay_1" || plan[0].Notice.Attempt != "att_1" {
				t.Fatalf("%+v", plan)
			}
			want := rail.PaymentRefused
			if d == rail.Approve {
				want = rail.PaymentApproved
			}
			if plan[0].Notice.Kind != want {
				t.Errorf("%s plans %s", d, plan[0].Notice.Kind)
			}
		})
	}
}
