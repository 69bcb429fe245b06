package stripe

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindDispute = "stripe.dispute"

// disputeBody is what a dispute's row keeps beside what the core knows.
type disputeBody struct {
	Core         string            `json:"core"`
	Charge       string            `json:"charge"`
	Intent       string            `json:"intent,omitempty"`
	Evidence     map[string]string `json:"evidence,omitempty"`
	Metadata     map[string]string `json:"metadata,omitempty"`
	Submissions  int64             `json:"submissions,omitempty"`
	Transactions []string          `json:"transactions"`
	Asked        *asked            `json:"asked,omitempty"` // it began as an inquiry
}

// asked is what an inquiry was before it became a dispute.
type asked struct {
	Minor    int64     `json:"minor"`
	DueBy    time.Time `json:"due_by"`
	Answered int64     `json:"answered,omitempty"` // submissions that were about it, once it is a dispute
}

// disputeReasons are the complaints a wallet's payer can have: about goods or
// service. Illicit use of a wallet is settled between wallet and platform and is
// never a dispute (seed 000, "Disputed payments"). Cardholders can have others.
var (
	disputeReasons     = []string{"product_not_received", "product_unacceptable", "credit_not_processed", "duplicate", "general"}
	cardDisputeReasons = append([]string{
		"bank_cannot_process", "check_returned", "customer_initiated", "debit_not_authorized", "fraudulent", "incorrect_account_details",
		"insufficient_funds", "noncompliant", "subscription_canceled", "unrecognized",
	}, disputeReasons...)
)

// Evidence members: long texts, short texts, and files.
var (
	evidenceLong = []string{
		"access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal", "duplicate_charge_explanation", "product_description",
		"refund_policy_disclosure", "refund_refusal_explanation", "uncategorized_text",
	}
	evidenceShort = []string{
		"billing_address", "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_id", "service_date",
		"shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
	}
	evidenceFiles = []string{
		"cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt", "refund_policy",
		"service_documentation", "shipping_documentation", "uncategorized_file",
	}
)

// Limits on evidence, in characters.
const (
	evidenceLongMax  = 20000
	evidenceShortMax = 5000
	evidenceAllMax   = 150000
)

// disputeID is the wire id of a core dispute: the same, under the wire's prefix.
func disputeID(core string) string { return "dp_" + strings.TrimPrefix(core, "dsp_") }

// DisputeID is the wire id of a core dispute.
func (a *API) DisputeID(core string) string { return disputeID(core) }

// CheckDispute implements control.Front. Inquiries are about cards.
func (a *API) CheckDispute(method string, inquiry bool, reason string) error {
	possible := disputeReasons
	if method == "card" || inquiry {
		possible = cardDisputeReasons
	}
	if !slices.Contains(possible, reason) {
		return fault.Newf(fault.Invalid, "bad_reason", "reason: %q cannot be the reason of a dispute of %s; possible are %s.", reason, method, strings.Join(possible, ", "))
	}
	return nil
}

// disputeOpened writes the dispute's row; one that begins as an inquiry has moved
// no money.
func (a *API) disputeOpened(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	charge, err := t.ResourceBy(kindCharge, "payment", p.ID)
	if err != nil {
		return err
	}
	cb, err := decodeBody[chargeBody](charge)
	if err != nil {
		return err
	}
	b := disputeBody{Core: p.Disputed(), Charge: charge.ID, Intent: cb.Intent, Transactions: []string{}}
	id := disputeID(b.Core)
	inquiry := f.Kind == event.InquiryOpened
	if inquiry {
		b.Asked = &asked{Minor: f.Amount.Minor, DueBy: f.Due}
	} else if err := b.withdrawn(t, f, id); err != nil {
		return err
	}
	row := newRow(t, kindDispute, id, p.ID, encodeBody(b), refundKeys(refundBody{Charge: charge.ID, Intent: cb.Intent})...)
	if err := t.InsertResource(row); err != nil {
		return err
	}
	if err := a.disputeEvent(t, "charge.dispute.created", id, nil); err != nil || inquiry {
		return err
	}
	return a.disputeEvent(t, "charge.dispute.funds_withdrawn", id, nil)
}

// withdrawn books what a dispute takes from the balance.
func (b *disputeBody) withdrawn(t *engine.Tx, f event.Fact, id string) error {
	txn, err := book(t, transactionBody{
		Type: "adjustment", Category: "dispute", Source: id, Description: "Chargeback withdrawal for " + b.Charge,
		Currency: f.Amount.Currency, Amount: -f.Amount.Minor, Fee: f.Fee.Minor, FeeText: "Dispute fee", AvailableOn: t.At,
	})
	b.Transactions = append(b.Transactions, txn)
	return err
}

// disputeEscalated turns an inquiry's row into a dispute's.
func (a *API) disputeEscalated(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	id := disputeID(p.Dispute())
	row, b, err := storedBody[disputeBody](t, kindDispute, id)
	if err != nil {
		return err
	}
	oldRow, oldBody := row, b
	was, err := b.inquiry(p)
	if err != nil {
		return err
	}
	b.Asked.Answered = b.Submissions
	if err := b.withdrawn(t, f, id); err != nil {
		return err
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	if err := a.disputeEvent(t, "charge.dispute.updated", id, func(v *view) (obj, error) { return v.disputeObject(oldRow, oldBody, was) }); err != nil {
		return err
	}
	return a.disputeEvent(t, "charge.dispute.funds_withdrawn", id, nil)
}

// inquiry is the inquiry that a dispute was.
func (b disputeBody) inquiry(p *payment.Payment) (payment.Dispute, error) {
	state := payment.InquiryOpen
	if b.Submissions > 0 {
		state = payment.InquiryAnswered
	}
	return payment.RestoreDispute(payment.Dispute{ID: b.Core, Payment: p.ID, Amount: money.Of(b.Asked.Minor, p.Amount.Currency), Deadline: b.Asked.DueBy}, state.String())
}

func (a *API) disputeClosed(t *engine.Tx, f event.Fact, p *payment.Payment) error {
	id := disputeID(p.Disputed())
	if f.Kind == event.DisputeWon {
		row, b, err := storedBody[disputeBody](t, kindDispute, id)
		if err != nil {
			return err
		}
		txn, err := book(t, transactionBody{
			Type: "adjustment", Category: "dispute_reversal", Source: id, Description: "Chargeback reversal for " + b.Charge,
			Currency: f.Amount.Currency, Amount: f.Amount.Minor, Fee: -f.Fee.Minor, FeeText: "Dispute fee", AvailableOn: t.At,
		})
		if err != nil {
			return err
		}
		b.Transactions = append(b.Transactions, txn)
		row.Body = encodeBody(b)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
	}
	if err := a.disputeEvent(t, "charge.dispute.closed", id, nil); err != nil || f.Kind != event.DisputeWon {
		return err
	}
	return a.disputeEvent(t, "charge.dispute.funds_reinstated", id, nil)
}

func (a *API) disputeEvent(t *engine.Tx, typ, id string, was func(v *view) (obj, error)) error {
	row, err := t.Resource(kindDispute, id)
	if err != nil {
		return err
	}
	return a.emit(t, message{typ: typ, payment: row.Payment, render: func(v *view) (obj, obj, error) {
		o, err := v.dispute(id)
		if err != nil || was == nil {
			return o, nil, err
		}
		old, err := was(v)
		if err != nil {
			return nil, nil, err
		}
		return o, v.changed(old, o), nil
	}})
}

var disputeStatus = map[payment.DisputeState]string{
	payment.DisputeOpen: "needs_response", payment.DisputeUnderReview: "under_review", payment.DisputeWon: "won", payment.DisputeLost: "lost",
	payment.InquiryOpen: "warning_needs_response", payment.InquiryAnswered: "warning_under_review", payment.InquiryClosed: "warning_closed",
}

// networkCodes are the networks' codes of the disputes that test cards raise.
var networkCodes = map[string]string{"fraudulent": "10.4", "product_not_received": "13.1"}

// disputedCard says which card network runs the dispute.
func (v *view) disputedCard(b disputeBody, d payment.Dispute) (obj, error) {
	_, cb, err := storedBody[chargeBody](v, kindCharge, b.Charge)
	if err != nil {
		return nil, err
	}
	_, m, err := storedBody[methodBody](v, kindPaymentMethod, cb.Method)
	if err != nil {
		return nil, err
	}
	brand := m.Card.card().brand
	card := obj{"brand": brand, "case_type": "chargeback", "network": brand, "network_reason_code": nullable(networkCodes[d.Reason])}
	if d.State().Inquiry() {
		card["case_type"], card["network_reason_code"] = "inquiry", nil
	}
	return obj{"card": card, "type": "card"}, nil
}

// answered reports whether evidence about the dispute, or about the inquiry if
// it still is one, was submitted.
func (b disputeBody) answered(d payment.Dispute) bool {
	if b.Asked != nil && !d.State().Inquiry() {
		return b.Submissions > b.Asked.Answered
	}
	return b.Submissions > 0
}

func (v *view) dispute(id string) (obj, error) {
	return v.stored(kindDispute, id, (*view).renderDispute)
}

func (v *view) renderDispute(row resource.Row) (obj, error) {
	b, err := decodeBody[disputeBody](row)
	if err != nil {
		return nil, err
	}
	d, err := v.Dispute(b.Core)
	if err != nil {
		return nil, err
	}
	return v.disputeObject(row, b, d)
}

func (v *view) disputeObject(row resource.Row, b disputeBody, d payment.Dispute) (obj, error) {
	txns, first := []any{}, any(nil)
	for _, id := range b.Transactions {
		o, err := v.transaction(id)
		if err != nil {
			return nil, err
		}
		txns = append(txns, o)
	}
	if len(b.Transactions) > 0 {
		first = b.Transactions[0]
	}
	p, err := v.Payment(row.Payment)
	if err != nil {
		return nil, err
	}
	evidence := obj{"enhanced_evidence": obj{}}
	for _, k := range slices.Concat(evidenceLong, evidenceShort, evidenceFiles) {
		evidence[k] = nullable(b.Evidence[k])
	}
	details := obj{
		"due_by": d.Deadline.Unix(), "has_evidence": len(b.Evidence) > 0, "submission_count": b.Submissions,
		"past_due": !v.now().Before(d.Deadline) && !b.answered(d),
	}
	o := obj{
		"id": row.ID, "object": "dispute", "amount": d.Amount.Minor, "balance_transaction": first, "balance_transactions": txns,
		"charge": b.Charge, "created": row.Created.Unix(), "currency": d.Amount.Currency.Lower(), "evidence": evidence, "evidence_details": details,
		"is_charge_refundable": d.State().Inquiry() && p.RefundedAmount() != p.CapturedAmount(), "livemode": v.merchant.Live, "metadata": b.Metadata,
		"payment_intent": nullable(b.Intent), "reason": d.Reason, "status": disputeStatus[d.State()],
	}
	if p.Method == "card" {
		if o["payment_method_details"], err = v.disputedCard(b, d); err != nil {
			return nil, err
		}
	}
	if since(v.version, versionRecentMembers) {
		o["enhanced_eligibility_types"] = []any{}
		details["enhanced_eligibility"] = obj{}
	}
	return o, nil
}

// disputeRow finds the dispute of the path, by its own id or by its charge's.
func (c *call) disputeRow(r store.Reader) (resource.Row, error) {
	if id := c.path("id"); id != "" {
		row, err := r.Resource(kindDispute, id)
		if errors.Is(err, store.ErrNotFound) {
			return row, c.unknown(404, kindDispute, "dispute", "dispute", id)
		}
		return row, err
	}
	if _, err := c.chargeRow(r, 404, "charge", c.path("charge")); err != nil {
		return resource.Row{}, err
	}
	row, err := r.ResourceBy(kindDispute, "charge", c.path("charge"))
	if errors.Is(err, store.ErrNotFound) {
		return row, &wireError{status: 404, code: "resource_missing", param: "charge", message: fmt.Sprintf("No dispute for charge: %s", c.path("charge"))}
	}
	return row, err
}

func retrieveDispute(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := c.disputeRow(v)
		if err != nil {
			return nil, err
		}
		return v.renderDispute(row)
	})
}

func listDisputes(c *call) (obj, error) {
	keys, err := c.equals("charge", "payment_intent")
	if err != nil {
		return nil, err
	}
	return c.list(query{kind: kindDispute, label: "dispute", keys: keys, render: (*view).renderDispute})
}

// evidence merges the evidence parameter; "" clears a member.
func evidence(r store.Reader, v form.Value, stored map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for k, s := range stored {
		out[k] = s
	}
	h, set, err := hash(v, "evidence")
	if err != nil || !set {
		return out, err
	}
	if err := members(h, "evidence", slices.Concat(evidenceLong, evidenceShort, evidenceFiles, []string{"enhanced_evidence"})...); err != nil {
		return nil, err
	}
	total := 0
	for k := range h.Keys() {
		name := "evidence[" + k + "]"
		if k == "enhanced_evidence" {
			if _, _, err := hash(h.Get(k), name); err != nil {
				return nil, err
			}
			continue // card networks' programmes; a wallet's dispute has none
		}
		limit := evidenceShortMax
		if slices.Contains(evidenceLong, k) {
			limit = evidenceLongMax
		}
		s, _, err := text(h.Get(k), name, limit)
		if err != nil {
			return nil, err
		}
		if s != "" && slices.Contains(evidenceFiles, k) && r != nil {
			if err := evidenceFile(r, name, s); err != nil {
				return nil, err
			}
		}
		if s == "" {
			delete(out, k)
			continue
		}
		out[k] = s
	}
	for _, s := range out {
		total += utf8.RuneCountInString(s)
	}
	if total > evidenceAllMax {
		return nil, invalid("", "evidence", "All evidence together may have up to %d characters, but it has %d.", evidenceAllMax, total)
	}
	return out, nil
}

// evidenceFile checks that a file was uploaded as evidence.
func evidenceFile(r store.Reader, name, id string) error {
	row, err := r.Resource(kindFile, id)
	if errors.Is(err, store.ErrNotFound) {
		return noSuch(400, "file upload", name, id)
	}
	if err != nil {
		return err
	}
	b, err := decodeBody[fileBody](row)
	if err == nil && b.Purpose != "dispute_evidence" {
		return invalid("", name, "The file %s was uploaded with the purpose %s; evidence needs dispute_evidence.", id, b.Purpose)
	}
	return err
}

// updateDispute stages evidence, or submits it, which can be done once.
func updateDispute(c *call) (step, error) {
	if _, err := evidence(nil, c.params.Get("evidence"), nil); err != nil {
		return step{}, err
	}
	if _, err := metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	submit, err := boolean(c.params.Get("submit"), "submit", true)
	if err != nil {
		return step{}, err
	}
	hasEvidence := c.params.Get("evidence").Kind() != form.Missing
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.disputeRow(t)
			if err != nil {
				return err
			}
			rowID = row.ID
			return c.changeDispute(t, row, hasEvidence, submit)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).dispute(rowID) },
	}, nil
}

// disputeParts loads what belongs to a dispute's row.
func disputeParts(t *engine.Tx, row resource.Row) (b disputeBody, p *payment.Payment, d payment.Dispute, err error) {
	if b, err = decodeBody[disputeBody](row); err != nil {
		return b, nil, d, err
	}
	if p, err = t.LoadPayment(row.Payment); err != nil {
		return b, nil, d, err
	}
	d, err = t.Dispute(b.Core)
	return b, p, d, err
}

func (c *call) changeDispute(t *engine.Tx, row resource.Row, hasEvidence, submit bool) error {
	b, p, d, err := disputeParts(t, row)
	if err != nil {
		return err
	}
	oldRow, oldBody, oldDispute := row, b, d
	if b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata); err != nil {
		return err
	}
	// Evidence that was staged before is submitted by asking for it.
	answer := submit && (hasEvidence || c.params.Get("submit").Kind() != form.Missing && len(b.Evidence) > 0)
	if hasEvidence || answer {
		if d.State().Over() {
			return disputeOver()
		}
		if !d.State().Answerable() || !t.At.Before(d.Deadline) {
			return invalid("", "", "This dispute is %s and no longer takes evidence.", disputeWord(d)).kept()
		}
		if b.Evidence, err = evidence(t, c.params.Get("evidence"), b.Evidence); err != nil {
			return err
		}
	}
	if answer {
		b.Submissions++
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	if answer {
		if err := t.AnswerDispute(p, &d); err != nil {
			return err
		}
	}
	if err := c.api.disputeEvent(t, "charge.dispute.updated", row.ID, func(v *view) (obj, error) { return v.disputeObject(oldRow, oldBody, oldDispute) }); err != nil || !answer {
		return err
	}
	return decideByEvidence(t, p, &d, b.Evidence["uncategorized_text"])
}

// decideByEvidence is the test triggers: the evidence's text decides, an inquiry's
// in either case for the merchant (stripe-platform §12.2).
func decideByEvidence(t *engine.Tx, p *payment.Payment, d *payment.Dispute, text string) error {
	decided := text == "winning_evidence" || text == "losing_evidence"
	switch {
	case d.State().Inquiry() && text == "escalate_inquiry_evidence":
		return t.EscalateInquiry(p, d)
	case d.State().Inquiry() && decided:
		return t.CloseInquiry(p, d)
	case decided:
		return t.CloseDispute(p, d, text == "winning_evidence")
	}
	return nil
}

func disputeOver() error { return invalid("", "", "This dispute is already closed").kept() }

func disputeWord(d payment.Dispute) string {
	if d.State().Answerable() {
		return "past its due date"
	}
	return "under review"
}

// closeDispute accepts the loss; of an inquiry nothing is lost.
func closeDispute(c *call) (step, error) {
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.disputeRow(t)
			if err != nil {
				return err
			}
			rowID = row.ID
			_, p, d, err := disputeParts(t, row)
			if err != nil {
				return err
			}
			switch {
			case d.State().Over():
				return disputeOver()
			case d.State().Inquiry():
				return t.CloseInquiry(p, &d)
			}
			return t.CloseDispute(p, &d, false)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).dispute(rowID) },
	}, nil
}
