package simrail

import (
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/rail"
)

var at = time.Date(2026, 9, 10, 1, 0, 0, 0, time.UTC)

func request(rules ...rail.Rule) rail.Request {
	return rail.Request{
		ID: "att_1", Payment: "pay_1", Attempt: "att_1", Merchant: "acct_1", Method: "alipay", Amount: money.Of(1000, "USD"),
		Until: at.Add(time.Hour), Takes: 2 * time.Second, At: at, Script: rules,
	}
}

// known adds what the wallet calls the attempt of request and its payer.
func known(o rail.Outcome) rail.Outcome {
	n := Rail{}.Decide(request(), rail.Approve)[0].Notice
	o.Reference, o.Payer = n.Reference, n.Payer
	return o
}

// TestAgreedBeforehand debits under a standing authorisation, which asks nobody
// unless instructed otherwise.
func TestAgreedBeforehand(t *testing.T) {
	t.Parallel()
	for do, want := range map[string]rail.Status{"": rail.Done, "redirect": rail.Redirect, "decline": rail.Refused} {
		q := request(rail.Rule{On: "authorize", Do: do})
		q.Agreement = "agr_1"
		if out, err := (Rail{}).Authorize(t.Context(), q); err != nil || out.Status != want {
			t.Errorf("%q: %+v, %v", do, out, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	const refundDelay = 2 * time.Second
	for name, c := range map[string]struct {
		ask  string
		rule rail.Rule
		want rail.Outcome
		err  bool
	}{
		"Authorize":             {"authorize", rail.Rule{}, rail.Outcome{Status: rail.Redirect}, false},
		"AuthorizeOtherStep":    {"authorize", rail.Rule{On: "capture", Do: "decline"}, rail.Outcome{Status: rail.Redirect}, false},
		"AuthorizeDecline":      {"authorize", rail.Rule{On: "authorize", Do: "decline", Reason: "r"}, rail.Outcome{Status: rail.Refused, Reason: "r"}, false},
		"AuthorizeApprove":      {"authorize", rail.Rule{On: "authorize", Do: "approve"}, known(rail.Outcome{Status: rail.Done}), false},
		"AuthorizePending":      {"authorize", rail.Rule{On: "authorize", Do: "pending"}, known(rail.Outcome{Status: rail.Waiting, Final: rail.Done, After: time.Second}), false},
		"AuthorizePendingNo":    {"authorize", rail.Rule{On: "authorize", Do: "pending", Reason: "r", DelaySeconds: 9}, known(rail.Outcome{Status: rail.Waiting, Final: rail.Refused, Reason: "r", After: 9 * time.Second}), false},
		"AuthorizeError":        {"authorize", rail.Rule{On: "authorize", Do: "error"}, rail.Outcome{}, true},
		"AuthorizeUnavailable":  {"authorize", rail.Rule{On: "authorize", Do: "unavailable"}, rail.Outcome{}, true},
		"AuthorizeUnheardOf":    {"authorize", rail.Rule{On: "authorize", Do: "dance"}, rail.Outcome{Status: rail.Redirect}, false},
		"Capture":               {"capture", rail.Rule{}, rail.Outcome{Status: rail.Done, Reference: "trade"}, false},
		"CaptureDecline":        {"capture", rail.Rule{On: "capture", Do: "decline"}, rail.Outcome{Status: rail.Refused, Reason: "processing_error"}, false},
		"CaptureDeclineBecause": {"capture", rail.Rule{On: "capture", Do: "decline", Reason: "insufficient_funds"}, rail.Outcome{Status: rail.Refused, Reason: "insufficient_funds"}, false},
		"CaptureError":          {"capture", rail.Rule{On: "capture", Do: "error"}, rail.Outcome{}, true},
		"Void":                  {"void", rail.Rule{}, rail.Outcome{Status: rail.Done}, false},
		"VoidError":             {"void", rail.Rule{On: "void", Do: "error"}, rail.Outcome{}, true},
		"VoidOther":             {"void", rail.Rule{On: "void", Do: "decline"}, rail.Outcome{Status: rail.Done}, false},
		"Refund":                {"refund", rail.Rule{}, rail.Outcome{Status: rail.Waiting, After: refundDelay, Final: rail.Done}, false},
		"RefundDelay":           {"refund", rail.Rule{On: "refund", Do: "delay", DelaySeconds: 60}, rail.Outcome{Status: rail.Waiting, After: time.Minute, Final: rail.Done}, false},
		"RefundDecline":         {"refund", rail.Rule{On: "refund", Do: "decline"}, rail.Outcome{Status: rail.Waiting, After: refundDelay, Final: rail.Refused, Reason: "declined"}, false},
		"RefundDeclineLater":    {"refund", rail.Rule{On: "refund", Do: "decline", Reason: "closed", DelaySeconds: 9}, rail.Outcome{Status: rail.Waiting, After: 9 * time.Second, Final: rail.Refused, Reason: "closed"}, false},
		"RefundPending":         {"refund", rail.Rule{On: "refund", Do: "pending"}, rail.Outcome{Status: rail.Waiting, After: -1}, false},
		"RefundDone":            {"refund", rail.Rule{On: "refund", Do: "done"}, rail.Outcome{Status: rail.Done}, false},
		"RefundError":           {"refund", rail.Rule{On: "refund", Do: "error"}, rail.Outcome{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := request(c.rule)
			q.Reference = "trade"
			ask := map[string]func() (rail.Outcome, error){
				"authorize": func() (rail.Outcome, error) { return Rail{}.Authorize(t.Context(), q) },
				"capture":   func() (rail.Outcome, error) { return Rail{}.Capture(t.Context(), q) },
				"void":      func() (rail.Outcome, error) { return Rail{}.Void(t.Context(), q) },
				"refund":    func() (rail.Outcome, error) { return Rail{}.Refund(t.Context(), q) },
			}[c.ask]
			for range 2 { // asking twice is asking once
				got, err := ask()
				if got != c.want || (err != nil) != c.err {
					t.Errorf("%+v, %v; want %+v", got, err, c.want)
				}
			}
		})
	}
}

func TestKindsOfOutage(t *testing.T) {
	t.Parallel()
	for do, want := range map[string]fault.Kind{"unavailable": fault.Unavailable, "error": fault.Internal} {
		_, err := Rail{}.Authorize(t.Context(), request(rail.Rule{On: "authorize", Do: do}))
		if got := fault.KindOf(err); got != want {
			t.Errorf("%s: %v, want %v", do, got, want)
		}
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	type step struct {
		after  time.Duration
		kind   rail.NoticeKind
		reason string
	}
	approved := func(after time.Duration) step { return step{after, rail.PaymentApproved, ""} }
	for name, c := range map[string]struct {
		decision rail.Decision
		rule     rail.Rule
		want     []step
	}{
		"Approve":        {rail.Approve, rail.Rule{}, []step{approved(2 * time.Second)}},
		"Decline":        {rail.Decline, rail.Rule{}, []step{{0, rail.PaymentRefused, "payer_declined"}}},
		"Abort":          {rail.Abort, rail.Rule{}, []step{{0, rail.PaymentRefused, "payer_aborted"}}},
		"Refused":        {rail.Approve, rail.Rule{On: "approve", Do: "decline"}, []step{{0, rail.PaymentRefused, "processing_error"}}},
		"RefusedBecause": {rail.Approve, rail.Rule{On: "approve", Do: "decline", Reason: "r"}, []step{{0, rail.PaymentRefused, "r"}}},
		"Error":          {rail.Approve, rail.Rule{On: "approve", Do: "error"}, []step{{0, rail.PaymentRefused, "processing_error"}}},
		"Delay":          {rail.Approve, rail.Rule{On: "approve", Do: "delay", DelaySeconds: 30}, []step{approved(30 * time.Second)}},
		"AtOnce":         {rail.Approve, rail.Rule{On: "approve", Do: "delay"}, []step{approved(0)}},
		"Duplicate":      {rail.Approve, rail.Rule{On: "approve", Do: "duplicate", DelaySeconds: 3}, []step{approved(2 * time.Second), approved(5 * time.Second)}},
		"Late":           {rail.Approve, rail.Rule{On: "approve", Do: "late"}, []step{approved(time.Hour + time.Second)}},
		"MuchLater":      {rail.Approve, rail.Rule{On: "approve", Do: "late", DelaySeconds: 60}, []step{approved(time.Hour + time.Minute)}},
		"DeclineAnyway":  {rail.Decline, rail.Rule{On: "approve", Do: "delay", DelaySeconds: 30}, []step{{0, rail.PaymentRefused, "payer_declined"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := Rail{}.Decide(request(c.rule), c.decision)
			var got []step
			for _, p := range plan {
				got = append(got, step{p.After, p.Notice.Kind, p.Notice.Reason})
				if p.Notice.Payment != "pay_1" || p.Notice.Attempt != "att_1" || p.Notice.ID != plan[0].Notice.ID {
					t.Errorf("notice %+v", p.Notice)
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("plan %+v, want %+v", got, c.want)
			}
			if again := (Rail{}).Decide(request(c.rule), c.decision); !reflect.DeepEqual(again, plan) {
				t.Errorf("another plan the second time: %+v", again)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	n := Rail{}.Decide(request(), rail.Approve)[0].Notice
	if !regexp.MustCompile(`^2026091022001\d{15}$`).MatchString(n.Reference) {
		t.Errorf("reference %q", n.Reference)
	}
	if !regexp.MustCompile(`^2088\d{12}$`).MatchString(n.Payer) {
		t.Errorf("payer %q", n.Payer)
	}
	other := request()
	other.ID, other.Attempt = "att_2", "att_2"
	if o := (Rail{}).Decide(other, rail.Approve)[0].Notice; o.Reference == n.Reference || o.Payer == n.Payer || o.ID == n.ID {
		t.Errorf("two payments are called the same: %+v", o)
	}
	if (Rail{}).Name() != "simrail" || !(Rail{}).Local() {
		t.Error("the simulator changed its name or asks somebody else")
	}
}

// TestPayerOfAgreement: debits name the payer who gave the authorisation: by the
// wallet's number if it was told, else by the one number of their login.
func TestPayerOfAgreement(t *testing.T) {
	t.Parallel()
	payer := func(attempt, known string) string {
		r := request()
		r.Attempt, r.Agreement, r.Payer = attempt, "agr_1", known
		out, err := Rail{}.Authorize(t.Context(), r)
		if err != nil || out.Status != rail.Done {
			t.Fatalf("%v %v", out, err)
		}
		return out.Payer
	}
	if got := payer("att_1", "2088123456789012"); got != "2088123456789012" {
		t.Errorf("payer %s, want the one known", got)
	}
	if one, two, other := payer("att_1", "ann"), payer("att_2", "ann"), payer("att_1", "bob"); one != two || one == other {
		t.Errorf("ann is %s and %s, bob %s", one, two, other)
	}
}
