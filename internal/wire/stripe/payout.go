package stripe

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindPayout = "stripe.payout"

// payoutBody is a payout: what the core says about it, and what the merchant
// said beside.
type payoutBody struct {
	Payout             engine.Payout     `json:"payout"`
	Description        string            `json:"description,omitempty"`
	Descriptor         string            `json:"descriptor,omitempty"`
	Destination        string            `json:"destination"`
	SourceType         string            `json:"source_type"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	Transaction        string            `json:"transaction,omitempty"`
	FailureTransaction string            `json:"failure_transaction,omitempty"`
	FailureCode        string            `json:"failure_code,omitempty"`
	Reconciled         bool              `json:"reconciled,omitempty"` // automatic ones: its transactions are final
}

// keys are what payouts can be listed by.
func (b payoutBody) keys() []resource.Key {
	return []resource.Key{{Name: "status", Value: string(b.Payout.State)}, {Name: "destination", Value: b.Destination}}
}

var payoutParams = []string{
	"amount", "currency", "description", "destination", "metadata", "method", "payout_method", "source_type", "statement_descriptor",
}

// payoutDescriptorMax is how long a payout's statement descriptor may be.
const payoutDescriptorMax = 22

// payoutFailures are the codes of failed payouts that a bank account can have,
// and what they say.
var payoutFailures = map[string]string{
	"account_closed":                "The bank account has been closed.",
	"account_frozen":                "The bank account has been frozen.",
	"bank_account_restricted":       "The bank account has restrictions on either the type, or the number, of payouts allowed.",
	"bank_ownership_changed":        "The destination bank account is no longer valid because its branch has changed ownership.",
	"could_not_process":             "The bank could not process this payout.",
	"declined":                      "The bank has declined this payout.",
	"incorrect_account_holder_name": "The bank account holder name on file is incorrect.",
	"invalid_account_number":        "The routing number seems correct, but the account number is invalid.",
	"invalid_currency":              "The bank was unable to process this payout because of its currency.",
	"no_account":                    "The bank account details on file are probably incorrect. No bank account could be located with those details.",
}

// payoutFailure maps an instruction's reason to a code of the wire.
func payoutFailure(reason string) string {
	if _, ok := payoutFailures[reason]; ok {
		return reason
	}
	return "could_not_process"
}

// bankAccount is the id of an account's one bank account.
func bankAccount(m merchant.Merchant) string { return "ba_" + strings.TrimPrefix(m.Account, "acct_") }

// payoutScenario turns the scenario a payout's metadata asks for into
// instructions.
func payoutScenario(md map[string]string) (string, error) {
	switch s := md[scenarioKey]; s {
	case "":
		return "", nil
	case "payout_failed":
		return string(encodeBody([]rail.Rule{{On: "payout", Do: "fail", Reason: "account_closed"}})), nil
	default:
		return "", invalid("", "metadata["+scenarioKey+"]", "Unknown scenario: %s. The one known for payouts is payout_failed.", s)
	}
}

// decode reads the parameters that only describe.
func (b *payoutBody) decode(params form.Value) (instant bool, err error) {
	for name, to := range fields(at("description", &b.Description), at("destination", &b.Destination)) {
		if *to, _, err = text(params.Get(name), name, 0); err != nil {
			return false, err
		}
	}
	if b.Descriptor, _, err = text(params.Get("statement_descriptor"), "statement_descriptor", payoutDescriptorMax); err != nil {
		return false, err
	}
	method, _, err := oneOf(params.Get("method"), "method", "instant", "standard")
	if err != nil {
		return false, err
	}
	if b.SourceType, _, err = oneOf(params.Get("source_type"), "source_type", "bank_account", "card", "fpx"); err != nil {
		return false, err
	}
	b.SourceType = firstOf(b.SourceType, "card")
	other, _, err := text(params.Get("payout_method"), "payout_method", 0)
	if err == nil && other != "" {
		err = noSuch(400, "payout method", "payout_method", other)
	}
	if err != nil {
		return false, err
	}
	b.Metadata, err = metadata(params.Get("metadata"), nil)
	return method == "instant", err
}

func createPayout(c *call) (step, error) {
	amount, err := positive(c.params.Get("amount"), "amount")
	if err != nil {
		return step{}, err
	}
	cur, err := currency(c.params.Get("currency"))
	if err != nil {
		return step{}, err
	}
	var b payoutBody
	instant, err := b.decode(c.params)
	if err != nil {
		return step{}, err
	}
	script, err := payoutScenario(b.Metadata)
	if err != nil {
		return step{}, err
	}
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			rowID = t.NewID("po_")
			return c.api.startPayout(t, rowID, b, money.Of(amount, cur), instant, script)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).payout(rowID) },
	}, nil
}

func (a *API) startPayout(t *engine.Tx, rowID string, b payoutBody, amount money.Amount, instant bool, script string) error {
	bank := bankAccount(t.Who)
	if b.Destination != "" && b.Destination != bank {
		return noSuch(400, "external account", "destination", b.Destination).kept()
	}
	b.Destination = bank
	if b.SourceType != "card" { // wallets and cards share one balance, the others are empty (stripe-platform §10.1)
		return insufficientFunds("%s was to be paid out of the %s balance, which is empty.", amount, b.SourceType)
	}
	err := t.StartPayout(a, engine.Payout{ID: rowID, Amount: amount, Instant: instant}, script, b.keep(t))
	if faultCode(err) == engine.CodeFunds {
		return insufficientFunds("%s", faultMessage(err))
	}
	return err
}

// keep writes a payout for the first time.
func (b payoutBody) keep(t *engine.Tx) func(p engine.Payout) error {
	return func(p engine.Payout) error {
		b.Payout = p
		return t.InsertResource(newRow(t, kindPayout, p.ID, "", encodeBody(b), b.keys()...))
	}
}

func insufficientFunds(format string, args ...any) error {
	return invalid("balance_insufficient", "", "You have insufficient funds in your Stripe account for this payout: %s", fmt.Sprintf(format, args...)).kept()
}

// Payout implements engine.PayoutKeeper.
func (a *API) Payout(r store.Reader, id string) (engine.Payout, error) {
	_, b, err := payoutOf(r, id)
	return b.Payout, err
}

func payoutOf(r store.Reader, id string) (resource.Row, payoutBody, error) {
	return storedBody[payoutBody](r, kindPayout, id)
}

// TellPayout implements engine.PayoutKeeper.
func (a *API) TellPayout(t *engine.Tx, f event.Fact, p engine.Payout) error {
	row, b, err := payoutOf(t, p.ID)
	if err != nil {
		return err
	}
	was := b
	b.Payout = p
	over := false // nothing of it changes any more, but for its failing
	txn := transactionBody{Source: row.ID, Currency: p.Amount.Currency, Amount: p.Amount.Minor, AvailableOn: t.At}
	var typ string
	switch f.Kind {
	case event.PayoutCreated:
		typ, txn.Type, txn.Category, txn.Amount, txn.Clearing = "payout.created", "payout", "payout", -p.Amount.Minor, p.Automatic
		txn.Description = firstOf(b.Description, "STRIPE PAYOUT")
		if p.Original != "" {
			txn.Category, txn.Amount, txn.AvailableOn, txn.Description = "payout_reversal", p.Amount.Minor, p.Arrival, "PAYOUT REVERSAL"
		}
		b.Transaction, err = book(t, txn)
	case event.PayoutSent, event.PayoutReversed:
		typ = "payout.updated"
	case event.PayoutPaid:
		typ, over = "payout.paid", true
	case event.PayoutFailed:
		typ, txn.Type, txn.Category, txn.Description = "payout.failed", "payout_failure", "payout_reversal", "PAYOUT FAILURE"
		b.FailureCode, over = payoutFailure(f.Reason), true
		b.FailureTransaction, err = book(t, txn)
	case event.PayoutCanceled:
		typ, txn.Type, txn.Category, txn.Description, over = "payout.canceled", "payout_cancel", "payout_reversal", "PAYOUT CANCELED", true
		b.FailureTransaction, err = book(t, txn)
	default:
		return fmt.Errorf("payout %s: unexpected fact %s", p.ID, f.Kind)
	}
	if err != nil {
		return err
	}
	if err := a.changePayout(t, row, was, b, typ); err != nil || !over || !p.Automatic || b.Reconciled {
		return err
	}
	row.Version++
	b.Reconciled = true
	return a.changePayout(t, row, was, b, "payout.reconciliation_completed")
}

// changePayout writes a payout and tells it; an update says what it changed.
func (a *API) changePayout(t *engine.Tx, row resource.Row, was, b payoutBody, typ string) error {
	row.Body = encodeBody(b)
	if err := t.RekeyResource(row, b.keys()); err != nil {
		return err
	}
	return a.emit(t, message{typ: typ, render: func(v *view) (obj, obj, error) {
		o := v.payoutObject(row, b)
		if typ != "payout.updated" {
			return o, nil, nil
		}
		return o, v.changed(v.payoutObject(row, was), o), nil
	}})
}

func (v *view) payout(id string) (obj, error) {
	return v.stored(kindPayout, id, (*view).renderPayout)
}

func (v *view) renderPayout(row resource.Row) (obj, error) {
	b, err := decodeBody[payoutBody](row)
	if err != nil {
		return nil, err
	}
	return v.payoutObject(row, b), nil
}

func (v *view) payoutObject(row resource.Row, b payoutBody) obj {
	p := b.Payout
	method, amount, reconciliation := "standard", p.Amount.Minor, "not_applicable"
	if p.Instant {
		method = "instant"
	}
	if p.Original != "" {
		amount = -amount
	}
	switch {
	case b.Reconciled:
		reconciliation = "completed"
	case p.Automatic:
		reconciliation = "in_progress"
	}
	o := obj{
		"id": row.ID, "object": "payout", "amount": amount, "application_fee": nil, "application_fee_amount": nil,
		"arrival_date": p.Arrival.Unix(), "automatic": p.Automatic, "balance_transaction": nullable(b.Transaction), "created": row.Created.Unix(),
		"currency": p.Amount.Currency.Lower(), "description": nullable(b.Description), "destination": b.Destination,
		"failure_balance_transaction": nullable(b.FailureTransaction), "failure_code": nullable(b.FailureCode),
		"failure_message": nullable(payoutFailures[b.FailureCode]), "livemode": v.merchant.Live, "metadata": b.Metadata, "method": method,
		"original_payout": nullable(p.Original), "reconciliation_status": reconciliation, "reversed_by": nullable(p.ReversedBy), "source_type": b.SourceType,
		"statement_descriptor": nullable(b.Descriptor), "status": string(p.State), "type": "bank_account",
	}
	if since(v.version, versionRecentMembers) {
		o["payout_method"] = nil
		o["trace_id"] = obj{"status": "unsupported", "value": nil} // the simulated bank gives none
	}
	return o
}

// payoutRow finds the payout of the path.
func (c *call) payoutRow(r store.Reader) (resource.Row, payoutBody, error) {
	row, b, err := payoutOf(r, c.path("id"))
	if errors.Is(err, store.ErrNotFound) {
		return row, b, c.unknown(404, kindPayout, "payout", "payout", c.path("id"))
	}
	return row, b, err
}

func retrievePayout(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, b, err := c.payoutRow(v)
		if err != nil {
			return nil, err
		}
		return v.payoutObject(row, b), nil
	})
}

// arrivalMax is longer than a payout takes.
const arrivalMax = 3 * 24 * time.Hour

func listPayouts(c *call) (obj, error) {
	if _, _, err := oneOf(c.params.Get("status"), "status", "canceled", "failed", "in_transit", "paid", "pending"); err != nil {
		return nil, err
	}
	q := query{kind: kindPayout, label: "payout", render: (*view).renderPayout}
	var err error
	if q.keys, err = c.equals("status", "destination"); err != nil {
		return nil, err
	}
	arrives, set, err := times(c.params.Get("arrival_date"), "arrival_date")
	if err != nil {
		return nil, err
	}
	if set {
		// A payout is made before it arrives, and not much before.
		q.from, q.to = period{arrives.from - int64(arrivalMax.Seconds()), arrives.to}.sorts()
		q.keep = func(_ *view, r resource.Row) bool {
			b, err := decodeBody[payoutBody](r)
			return err == nil && arrives.has(b.Payout.Arrival)
		}
	}
	return c.list(q)
}

func updatePayout(c *call) (step, error) {
	if _, err := metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.payoutRow(t)
			if err != nil {
				return err
			}
			was := b
			if b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata); err != nil {
				return err
			}
			return c.api.changePayout(t, row, was, b, "payout.updated")
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).payout(c.path("id")) },
	}, nil
}

func cancelPayout(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			if _, _, err := c.payoutRow(t); err != nil {
				return err
			}
			err := t.CancelPayout(c.api, c.path("id"))
			if faultCode(err) != "" {
				return translate(err).kept()
			}
			return err
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).payout(c.path("id")) },
	}, nil
}

// reversePayout answers with the payout that brings the money back.
func reversePayout(c *call) (step, error) {
	md, err := metadata(c.params.Get("metadata"), nil)
	if err != nil {
		return step{}, err
	}
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.payoutRow(t)
			if err != nil {
				return err
			}
			rowID = t.NewID("po_")
			back := payoutBody{Description: "REVERSAL OF " + row.ID, Destination: b.Destination, SourceType: b.SourceType, Metadata: md}
			err = t.ReversePayout(c.api, row.ID, rowID, back.keep(t))
			if faultCode(err) != "" {
				return translate(err).kept()
			}
			return err
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).payout(rowID) },
	}, nil
}

// auditPayouts checks that payouts that did not come back sum to what the
// ledger says has left, that those on their way have their next step planned,
// and that automatic ones are the sum of the transactions they paid out, which
// paidOut has by payout.
func auditPayouts(r store.Reader, balances ledger.Balances, paidOut map[string]int64) error {
	planned, err := plannedJobs(r)
	if err != nil {
		return err
	}
	left := map[money.Currency]int64{}
	if err := each(r, kindPayout, func(row resource.Row) error {
		b, err := decodeBody[payoutBody](row)
		p := b.Payout
		if p.Automatic && paidOut[row.ID] != p.Amount.Minor {
			return fmt.Errorf("the transactions paid out by payout %s sum to %d, it is of %d", row.ID, paidOut[row.ID], p.Amount.Minor)
		}
		switch p.State {
		case engine.PayoutFailed, engine.PayoutCanceled:
			return err
		case engine.PayoutPending, engine.PayoutInTransit:
			if !planned["payout:"+row.ID] {
				return fmt.Errorf("payout %s is %s, but nothing is planned for it", row.ID, p.State)
			}
		case engine.PayoutPaid:
		}
		if p.Original != "" {
			left[p.Amount.Currency] -= p.Amount.Minor
			return err
		}
		left[p.Amount.Currency] += p.Amount.Minor
		return err
	}); err != nil {
		return err
	}
	for k, v := range balances {
		if k.Account == ledger.Payouts {
			left[k.Currency] -= v
		}
	}
	for c, n := range left {
		if n != 0 {
			return fmt.Errorf("payouts in %s and the ledger differ by %d", c, n)
		}
	}
	return nil
}
