package control

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

func (a *API) script(r *http.Request, id int64) (any, error) {
	rules := []rail.Rule{}
	err := a.Engine.View(r.Context(), id, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		if m.Profile.Script == "" {
			return nil
		}
		return json.Unmarshal([]byte(m.Profile.Script), &rules)
	})
	return map[string]any{"rules": rules}, err
}

// steps lists what a simulator can be instructed to do at each step.
var steps = map[string][]string{
	"authorize": {"unavailable", "error", "decline", "approve", "redirect", "pending"},
	"approve":   {"decline", "error", "delay", "duplicate", "late"},
	"capture":   {"decline", "error"},
	"void":      {"error"},
	"dispute":   {"open", "inquire"},
	"refund":    {"decline", "pending", "action", "done", "delay", "return", "error"},
	"payout":    {"fail"},
	"settle":    {"now"},
}

// setScript replaces the key's instructions to the simulator.
func (a *API) setScript(r *http.Request, id int64) (any, error) {
	var q struct {
		Rules []rail.Rule `json:"rules"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	for _, rule := range q.Rules {
		does, ok := steps[rule.On]
		if !ok {
			return nil, fault.Newf(fault.Invalid, "bad_script", "on: %q is not a step; steps are authorize, approve, capture, void, refund, dispute, payout and settle.", rule.On)
		}
		if !slices.Contains(does, rule.Do) {
			return nil, fault.Newf(fault.Invalid, "bad_script", "do: %q cannot happen on %s; possible are %s.", rule.Do, rule.On, strings.Join(does, ", "))
		}
		if rule.On == "dispute" {
			if err := a.front.CheckDispute("", rule.Do == "inquire", rule.Reason); err != nil {
				return nil, err
			}
		}
		if rule.DelaySeconds < 0 || rule.DelaySeconds > int64(engine.AdvanceMax.Seconds()) || rule.Times < 0 {
			return nil, fault.New(fault.Invalid, "bad_script", "delay_seconds must be between 0 and two years, and times cannot be negative.")
		}
	}
	b, err := json.Marshal(q.Rules)
	if err != nil {
		return nil, err
	}
	if err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_account", "Live payments are not simulated.")
		}
		t.Who.Profile.Script = ""
		if len(q.Rules) > 0 {
			t.Who.Profile.Script = string(b)
		}
		return t.UpdateMerchant(t.Who)
	}); err != nil {
		return nil, err
	}
	return a.script(r, id)
}

// decide does what the payer would do on the hosted page.
func (a *API) decide(r *http.Request, id int64) (any, error) {
	var q struct {
		ID       string `json:"id"`
		Decision string `json:"decision"`
	}
	if err := read(r, &q); err != nil {
		return nil, err
	}
	d, ok := map[string]rail.Decision{"authorize": rail.Approve, "decline": rail.Decline, "cancel": rail.Abort, "withdraw": ""}[q.Decision]
	if !ok {
		return nil, fault.Newf(fault.Invalid, "bad_decision", "decision: %q; possible are authorize, decline, cancel and withdraw.", q.Decision)
	}
	state := ""
	err := a.Engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		if s, found, err := a.decideAgreement(t, q.ID, d); found || err != nil {
			state = s
			return err
		}
		if d == "" {
			return fault.Newf(fault.Invalid, "bad_decision", "withdraw: %q is not a standing authorisation.", q.ID)
		}
		paymentID, err := a.front.PaymentOf(t, q.ID)
		if err != nil {
			return err
		}
		if err := t.DecidePayment(paymentID, d); err != nil {
			return err
		}
		p, err := t.LoadPayment(paymentID)
		if err == nil {
			state = p.State().String()
		}
		return err
	})
	return map[string]any{"id": q.ID, "state": state}, err
}

// decideAgreement decides about the standing authorisation an id names, or ends
// it as the payer would in the wallet (no decision).
func (a *API) decideAgreement(t *engine.Tx, id string, d rail.Decision) (state string, found bool, err error) {
	front, ok := a.front.(Agreeing)
	if !ok {
		return "", false, nil
	}
	agreementID, err := front.AgreementOf(t, id)
	if err != nil || agreementID == "" {
		return "", false, err
	}
	ag, err := t.LoadAgreement(agreementID)
	if err != nil {
		return "", true, err
	}
	if d == "" {
		err = t.WithdrawAgreement(ag)
	} else {
		err = t.DecideAgreement(ag, d, "")
	}
	return ag.State().String(), true, err
}
