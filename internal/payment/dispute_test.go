package payment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// TestDisputeMoves: every state of a dispute and every move.
func TestDisputeMoves(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	eur := func(n int64) money.Amount { return money.Of(n, "EUR") }
	moves := []struct {
		name string
		do   func(d *Dispute, p *Payment) error
	}{
		{"answered", func(d *Dispute, _ *Payment) error { return d.Answer(at) }},
		{"escalated", func(d *Dispute, p *Payment) error { return d.Escalate(p, eur(60), eur(15), at.Add(2*time.Hour)) }},
		{"dropped", func(d *Dispute, _ *Payment) error { return d.Drop() }},
		{"won", func(d *Dispute, _ *Payment) error { return d.Close(true) }},
		{"lost", func(d *Dispute, _ *Payment) error { return d.Close(false) }},
	}
	// What each move leads to; "-" where it is refused.
	want := map[DisputeState]string{
		DisputeOpen:        "under_review - - won lost",
		DisputeUnderReview: "- - - won lost",
		DisputeWon:         "- - - - -",
		DisputeLost:        "- - - - -",
		InquiryOpen:        "inquiry_answered open inquiry_closed - -",
		InquiryAnswered:    "- open inquiry_closed - -",
		InquiryClosed:      "- - - - -",
	}
	for state, name := range disputeNames {
		var got []string
		for _, m := range moves {
			d := Dispute{ID: "dsp_1", Payment: "pay_1", Amount: eur(100), Deadline: at.Add(time.Hour), state: state}
			p := Payment{ID: "pay_1", Amount: eur(100), capturedMinor: 100, refundedMinor: 40, inquiry: "dsp_1", Attempt: Attempt{state: Captured}}
			before := d
			if err := m.do(&d, &p); err != nil {
				if d != before || p.Dispute() != "" {
					t.Errorf("%s: a refused move changed something: %v", m.name, d)
				}
				got = append(got, "-")
				continue
			}
			got = append(got, d.State().String())
			if _, ok := p.Refundable(eur(1)); ok != d.State().Inquiry() && m.name == "escalated" {
				t.Errorf("%s from %s: refundable %v", m.name, name, ok)
			}
		}
		if g := strings.Join(got, " "); g != want[state] {
			t.Errorf("%s: %s, want %s", name, g, want[state])
		}
	}
}

// TestEscalateClaimsWhatIsLeft: an inquiry claims no more than was not refunded,
// of its own payment, and can be answered until its deadline only.
func TestEscalateClaimsWhatIsLeft(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	p := Payment{ID: "pay_1", Amount: money.Of(100, "EUR"), capturedMinor: 100, Attempt: Attempt{state: Captured}}
	can, ok := p.Disputable(money.Of(100, "EUR"))
	if !ok {
		t.Fatal("not disputable")
	}
	d := can.Inquire("dsp_1", "general", at, at.Add(time.Hour))
	if p.Dispute() != "" || p.Disputed() != "dsp_1" || d.Fee.Minor != 0 {
		t.Errorf("an inquiry moved money: %v %v", p, d)
	}
	if _, ok := p.Disputable(money.Of(1, "EUR")); ok {
		t.Error("disputed twice")
	}
	left, ok := p.Refundable(money.Of(40, "EUR"))
	if !ok {
		t.Fatal("not refundable")
	}
	left.Refund("re_1", at)
	for _, amount := range []money.Amount{money.Of(61, "EUR"), money.Of(0, "EUR"), money.Of(60, "USD")} {
		if err := d.Escalate(&p, amount, money.Of(0, "EUR"), at); err == nil {
			t.Errorf("claimed %s", amount)
		}
	}
	if err := d.Escalate(&Payment{ID: "pay_2", Amount: p.Amount, capturedMinor: 100, Attempt: p.Attempt}, money.Of(60, "EUR"), money.Of(0, "EUR"), at); err == nil {
		t.Error("claimed of another payment")
	}
	if err := d.Answer(at.Add(time.Hour)); err == nil {
		t.Error("answered too late")
	}
	if got := fmt.Sprint(p.Stored().Inquiry, p.Stored().Dispute); got != "dsp_1" {
		t.Errorf("stored %q", got)
	}
}
