package multisafepay

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// nullable writes "" as null.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number writes a PSP id, which is a number on the wire (reference §1.9).
func number(psp string) any { return value.Number(psp) }

// renderOrder is the order object.
func (v *view) renderOrder(row resource.Row, o *order) (value.Object, error) {
	now, err := v.current(o)
	if err != nil {
		return nil, err
	}
	return v.renderWith(row, o, now)
}

// renderWith is the order object with its current transaction (reference §3.10, §4).
func (v *view) renderWith(row resource.Row, o *order, now *paying) (value.Object, error) {
	f, err := v.facts(o, now)
	if err != nil {
		return nil, err
	}
	status, financial := project(f)
	out := value.Object{
		"amount": o.Amount, "amount_refunded": int64(0), "created": stamp(row.Created), "currency": string(o.Currency), "description": o.Description,
		"fastcheckout": yesNo(o.Type == typeCheckout), "financial_status": financial, "items": nullable(o.Items), "modified": stamp(o.Modified),
		"order_id": o.OrderID, "reason": "", "reason_code": "", "status": status, "transaction_id": number(row.ID),
		"customer": o.customer(), "custom_info": value.Object{"custom_1": nullable(o.Custom[0]), "custom_2": nullable(o.Custom[1]), "custom_3": nullable(o.Custom[2])},
		"var1": nullable(o.Vars[0]), "var2": nullable(o.Vars[1]), "var3": nullable(o.Vars[2]),
		"related_transactions": nil, "costs": []any{}, "payment_methods": []any{},
		"payment_details": value.Object{
			"type": nullable(o.Gateway), "account_holder_name": nil, "account_id": "", "external_transaction_id": nil, "recurring_id": nil, "recurring_model": nil,
		},
	}
	for name, s := range o.Shipment {
		out[name] = s
	}
	o.renderCart(out)
	if now != nil {
		v.renderPayment(out, o, now, status)
	}
	return out, v.renderRelated(out, o)
}

func yesNo(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}

// customer is what comes back of it.
func (o *order) customer() value.Object {
	out := value.Object{}
	for _, e := range echoed {
		if s := *e.of(&o.Customer); s != "" {
			out[e.name] = s
		}
	}
	return out
}

// renderCart adds what a cart brings with it (reference §4.2).
func (o *order) renderCart(out value.Object) {
	if o.Checkout != nil {
		out["checkout_options"] = o.Checkout
	}
	if len(o.Cart) == 0 {
		return
	}
	digits := o.Currency.Exponent()
	out["shopping_cart"] = value.Object{"items": o.Cart}
	out["order_total"] = value.Major(o.Totals.Total, digits)
	out["order_adjustment"] = value.Object{"total_adjustment": value.Major(o.Totals.Tax, digits), "total_tax": value.Major(o.Totals.Tax, digits)}
}

// renderPayment adds what the current transaction says.
func (v *view) renderPayment(out value.Object, o *order, now *paying, status string) {
	row, tx, p := now.row, now.tx, now.p
	out["transaction_id"] = number(row.ID)
	out["amount_refunded"] = p.RefundedAmount().Minor
	out["reason"], out["reason_code"] = tx.reason(p)
	if !tx.Completed.IsZero() {
		out["completed"] = stamp(tx.Completed)
	}
	out["costs"] = v.costs(row, tx, p)
	out["payment_details"] = tx.details(o, p)
	out["payment_methods"] = []any{tx.paymentMethod(p, status)}
	if g, _ := findGateway(tx.Gateway); g.Kind == transfer && p.State() == payment.AwaitingPayer {
		out["gateway_info"] = transferTo(row.ID)
	}
}

// reason says why it ended as it did; it is empty while nothing is decided
// (reference §4.7).
func (tx transaction) reason(p payment.Payment) (reason, code string) {
	if p.State() == payment.Declined && tx.Reason == "" && p.Attempt.Reason != payment.PayerAborted {
		return "Declined", "1000"
	}
	return tx.Reason, tx.ReasonCode
}

// external is the wallet's trade number, once there is one.
func external(p payment.Payment) any {
	if p.Attempt.AuthorizedAt.IsZero() {
		return nil
	}
	return nullable(p.Attempt.Reference)
}

// costs is what processing cost: decimals of the major unit once the ledger
// knows a fee, before that the entry of the published example (reference §4.4).
func (v *view) costs(row resource.Row, tx transaction, p payment.Payment) []any {
	currency := p.Amount.Currency
	entry := func(minor int64, typ, format string, args ...any) value.Object {
		amount := value.Major(minor, currency.Exponent())
		return value.Object{
			"transaction_id": number(row.ID), "amount": amount, "created": stamp(tx.Completed), "currency": string(currency),
			"description": fmt.Sprintf(format, args...), "status": "completed", "type": typ,
		}
	}
	list := []any{}
	if tx.Fee > 0 {
		g, _ := findGateway(tx.Gateway)
		list = append(list, entry(tx.Fee, "SYSTEM", "%s For %s Transactions", value.Major(tx.Fee, currency.Exponent()), g.Name))
	}
	for _, s := range tx.Shares {
		list = append(list, entry(s.Amount, "internal", "%s", s.Description))
	}
	if len(list) > 0 || p.State() != payment.AwaitingPayer || v.setting(settingCosts) == "fees_only" {
		return list
	}
	return []any{value.Object{"transaction_id": number(row.ID), "amount": tx.Amount, "description": "", "type": "SYSTEM"}}
}

// details is payment_details (reference §4.3).
func (tx transaction) details(o *order, p payment.Payment) value.Object {
	out := value.Object{
		"type": tx.Gateway, "account_holder_name": nullable(tx.Holder), "account_id": tx.Account, "external_transaction_id": external(p),
		"recurring_id": nullable(tx.Token), "recurring_model": nil,
	}
	if tx.Token != "" {
		out["recurring_model"] = nullable(o.Model)
	}
	if tx.Issuer != "" {
		out["issuer_id"] = tx.Issuer
	}
	if c := tx.Plastic; c != nil {
		out["last4"], out["card_expiry_date"], out["account_holder_name"] = c.Last4, c.Expiry, nullable(c.Holder)
	}
	if o.Manual {
		out["capture"] = "manual"
		out["capture_remain"] = p.HeldAmount().Minor
		if p.State() == payment.Authorized {
			out["capture_expiry"] = stamp(p.Attempt.Deadline)
		}
	}
	return out
}

// paymentMethod is an entry of payment_methods. Card digits are numbers here and
// texts in payment_details (reference §4.5).
func (tx transaction) paymentMethod(p payment.Payment, status string) value.Object {
	g, _ := findGateway(tx.Gateway)
	name := g.Name
	if g.ID == "ALIPAY" {
		name = g.ID // as in the published example
	}
	out := value.Object{
		"account_id": tx.Account, "amount": tx.Amount, "currency": string(p.Amount.Currency), "description": tx.Description,
		"payment_description": name, "status": status, "type": tx.Gateway,
	}
	if e := external(p); e != nil {
		out["external_transaction_id"] = e
	}
	if tx.Holder != "" {
		out["account_holder_name"] = tx.Holder
	}
	if c := tx.Plastic; c != nil {
		for name, digits := range map[string]string{"last4": c.Last4, "card_expiry_date": c.Expiry} {
			if n, err := strconv.Atoi(digits); err == nil {
				out[name] = n
			}
		}
		out["account_holder_name"] = nullable(c.Holder)
	}
	return out
}

// transferTo tells the payer of a bank transfer where to pay.
func transferTo(psp string) value.Object {
	return value.Object{
		"reference": psp, "issuer_name": "multisafepay", "destination_holder_name": "Ducat sandbox", "destination_holder_city": "Amsterdam",
		"destination_holder_country": "NL", "destination_holder_iban": "NL87ABNA0000000001", "destination_holder_swift": "ABNANL2A", "account_holder_country": "NL",
	}
}

// renderRelated adds refunds and chargebacks.
func (v *view) renderRelated(out value.Object, o *order) error {
	if len(o.Related) == 0 {
		return nil
	}
	list := []any{}
	for _, psp := range o.Related {
		row, tx, err := transactionOf(v, psp)
		if err != nil {
			return err
		}
		status, err := v.childStatus(tx)
		if err != nil {
			return err
		}
		child := value.Object{
			"amount": tx.Amount, "costs": []any{}, "created": stamp(row.Created), "currency": tx.Currency, "description": tx.Description,
			"modified": stamp(tx.Modified), "order_id": o.OrderID, "reference_transaction_id": number(tx.Parent), "refund_order_id": nil,
			"status": status, "transaction_id": number(row.ID), "type": tx.Type,
		}
		switch tx.Type {
		case txRefund:
			child["refund_order_id"] = tx.OrderID
		case txCapture:
			child["order_id"] = tx.OrderID
		}
		if tx.Dispute != "" {
			if child["dispute"], err = v.dispute(tx); err != nil {
				return err
			}
		}
		list = append(list, child)
	}
	out["related_transactions"] = list
	return nil
}

// childStatus is the status of a refund or a chargeback.
func (v *view) childStatus(tx transaction) (string, error) {
	switch tx.Type {
	case txRelease:
		return "void", nil
	case txRefund:
	default:
		return "completed", nil
	}
	r, err := v.Refund(tx.Refund)
	return refundStatus(r), err
}

// dispute describes what a chargeback is about. Its states are those of
// reference §9.3.
func (v *view) dispute(tx transaction) (value.Object, error) {
	d, err := v.Dispute(tx.Dispute)
	if err != nil {
		return nil, err
	}
	state := map[payment.DisputeState]string{
		payment.DisputeOpen: "open", payment.DisputeUnderReview: "submitted", payment.DisputeWon: "closed", payment.DisputeLost: "closed",
	}[d.State()]
	return value.Object{
		"merchant_response_date": stamp(d.Deadline), "status": state, "reason_code": d.Reason, "reason_description": d.Reason,
	}, nil
}

// object is the order object of any order.
func (v *view) object(row resource.Row, o *order) (value.Object, error) {
	if o.Of == "" {
		return v.renderOrder(row, o)
	}
	return v.renderDerived(row, o)
}

// renderDerived is the order object of a part of an authorisation, or of a refund:
// the order it belongs to, over what was captured or goes back (reference §4.2,
// §6.2).
func (v *view) renderDerived(row resource.Row, o *order) (value.Object, error) {
	parent, err := v.Resource(kindOrder, o.Of)
	if err != nil {
		return nil, err
	}
	whole, err := orderOf(parent)
	if err != nil {
		return nil, err
	}
	out, err := v.renderOrder(parent, &whole)
	if err != nil {
		return nil, err
	}
	_, tx, err := transactionOf(v, o.Current)
	if err != nil {
		return nil, err
	}
	status, err := v.childStatus(tx)
	if err != nil {
		return nil, err
	}
	for name, val := range (value.Object{
		"amount": tx.Amount, "amount_refunded": int64(0), "costs": []any{}, "created": stamp(row.Created), "description": tx.Description,
		"financial_status": status, "modified": stamp(tx.Modified), "order_id": o.OrderID, "reason": "", "reason_code": "", "related_transactions": nil,
		"status": status, "transaction_id": number(row.ID),
	}) {
		out[name] = val
	}
	if delete(out, "completed"); !tx.Completed.IsZero() {
		out["completed"] = stamp(tx.Completed)
	}
	if tx.Type == txCapture {
		out["auth_order_id"] = whole.OrderID
	} else {
		out["var1"], out["var2"], out["var3"] = nullable(tx.Vars[0]), nullable(tx.Vars[1]), nullable(tx.Vars[2])
	}
	if details, ok := out["payment_details"].(value.Object); ok {
		for _, name := range []string{"capture", "capture_expiry", "capture_remain"} {
			delete(details, name)
		}
	}
	if methods, ok := out["payment_methods"].([]any); ok {
		for _, m := range methods {
			if m, ok := m.(value.Object); ok {
				m["amount"], m["description"], m["status"] = tx.Amount, tx.Description, status
			}
		}
	}
	return out, nil
}

// pretransaction is the body of a notification about an order whose payer never
// chose a method (reference §12.6).
func (v *view) pretransaction(row resource.Row, o *order) value.Object {
	status, _, _ := v.statuses(o)
	return value.Object{
		"costs": []any{}, "created": stamp(row.Created), "custom_info": value.Object{"custom_1": nullable(o.Custom[0]), "custom_2": nullable(o.Custom[1]), "custom_3": nullable(o.Custom[2])},
		"fastcheckout": yesNo(o.Type == typeCheckout), "financial_status": nil, "modified": stamp(o.Modified), "order_id": o.OrderID,
		"payment_details": value.Object{}, "payment_methods": nil, "status": status,
	}
}

// retrieveOrder answers GET /orders/{id}.
func retrieveOrder(c *call) (any, error) {
	var out value.Object
	err := c.view(func(v *view) error {
		row, o, err := v.named(c.path["order"])
		if err != nil {
			return err
		}
		if out, err = v.object(row, &o); err != nil {
			return err
		}
		if o.hosted() && o.Current == "" {
			out["payment_url"] = v.paymentURL(&o)
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(codeOrder)
	}
	return out, err
}

// locales are those of the payment page (reference §3.4, §11).
var locales = map[string]bool{
	"ar_AR": true, "at_AT": true, "cs_CZ": true, "da_DK": true, "de_AT": true, "de_DE": true, "en_US": true, "es_ES": true, "fi_FI": true, "fr_BE": true,
	"fr_FR": true, "he_IL": true, "it_IT": true, "ja_JP": true, "nl_BE": true, "nl_NL": true, "no_NO": true, "pl_PL": true, "pt_PT": true, "ru_RU": true,
	"sv_SE": true, "tr_TR": true, "zh_CN": true,
}

// language is the lang of a payment page: the order's locale, or the site's
// default where it is not supported (reference §3.9).
func (v *view) language(o *order) string {
	if locales[o.Locale] {
		return o.Locale
	}
	if l := v.setting(settingLanguage); locales[l] {
		return l
	}
	return "en_US"
}

func (v *view) paymentURL(o *order) string {
	return v.api.config.BaseURL + "/connect/" + o.Session + "/?lang=" + v.language(o)
}

// total writes an amount for people.
func total(a money.Amount) string { return a.String() }
