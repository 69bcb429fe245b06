package stripe

import (
	"errors"
	"strings"

	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// expandDepth is how many levels may be expanded, "data" included.
const expandDepth = 4

// expandable says, for every object, which fields can be replaced by the object
// they name, and which hold lists that are shown on demand.
var expandable = map[string]map[string]string{
	"source":                       {},
	"payment_intent":               {"application": "", "customer": "customer", "latest_charge": "charge", "on_behalf_of": "", "payment_method": "payment_method", "review": "", "transfer_data": "transfer_data"},
	"payment_method":               {"card": "method.card", "customer": "customer"},
	"token":                        {},
	"ephemeral_key":                {},
	"elements_session":             {"payment_method_preference": "payment_method_preference"},
	"payment_method_preference":    {"payment_intent": "payment_intent", "setup_intent": "setup_intent"},
	"confirmation_token":           {"payment_method_preview": "method.preview"},
	"invoice_settings":             {"default_payment_method": "payment_method"},
	"customer":                     {"invoice_settings": "invoice_settings", "default_source": "source", "sources": "", "test_clock": "test_helpers.test_clock"},
	"charge":                       {"balance_transaction": "balance_transaction", "refunds": "refunds", "customer": "customer", "payment_intent": "payment_intent", "application": "", "application_fee": "", "on_behalf_of": "", "review": "", "source_transfer": "", "transfer": "", "failure_balance_transaction": "balance_transaction", "outcome": "charge.outcome", "payment_method_details": "charge.details", "transfer_data": "transfer_data"},
	"refund":                       {"charge": "charge", "balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction", "payment_intent": "payment_intent", "source_transfer_reversal": "", "transfer_reversal": "", "customer": "customer", "payment_method": "payment_method"},
	"balance_transaction":          {"source": "any"},
	"dispute":                      {"charge": "charge", "payment_intent": "payment_intent", "evidence": "dispute.evidence"},
	"dispute.evidence":             {"cancellation_policy": "file", "customer_communication": "file", "customer_signature": "file", "duplicate_charge_documentation": "file", "receipt": "file", "refund_policy": "file", "service_documentation": "file", "shipping_documentation": "file", "uncategorized_file": "file"},
	"charge.outcome":               {"rule": ""},
	"charge.details":               {"card": "charge.details.card"},
	"charge.details.card":          {"mandate": "mandate"},
	"transfer_data":                {"destination": ""},
	"method.card":                  {"generated_from": "method.card.generated_from"},
	"method.card.generated_from":   {"setup_attempt": "setup_attempt"},
	"method.preview":               {"card": "method.card", "customer": "customer"},
	"payout":                       {"balance_transaction": "balance_transaction", "failure_balance_transaction": "balance_transaction", "destination": "", "original_payout": "payout", "reversed_by": "payout", "application_fee": ""},
	"file":                         {"links": "file_links"},
	"file_link":                    {"file": "file"},
	"test_helpers.test_clock":      {},
	"reporting.report_run":         {"result": "file", "parameters": ""},
	"reporting.report_type":        {},
	"event":                        {},
	"webhook_endpoint":             {},
	"balance":                      {},
	"balance_settings":             {},
	"source_transaction":           {},
	"account":                      {},
	"setup_intent":                 {"application": "", "customer": "customer", "latest_attempt": "setup_attempt", "mandate": "mandate", "on_behalf_of": "", "payment_method": "payment_method", "single_use_mandate": "mandate"},
	"setup_attempt":                {"application": "", "customer": "customer", "on_behalf_of": "", "payment_method": "payment_method", "setup_intent": "setup_intent"},
	"mandate":                      {"payment_method": "payment_method"},
	"payment_method_configuration": {},
}

// expansions reads and checks the expand parameter against the schema, before
// anything is read or written.
func (c *call) expansions(ep endpoint) ([]string, error) {
	v := c.params.Get("expand")
	if v.Kind() == form.Missing || v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	if v.Kind() != form.List {
		return nil, invalid("", "expand", "Invalid array")
	}
	var paths []string
	for _, item := range v.Items() {
		p := item.String()
		parts := strings.Split(p, ".")
		if len(parts) > expandDepth {
			return nil, invalid("property_expansion_max_depth", "", "You cannot expand more than %d levels of a property. Property: %s", expandDepth, p)
		}
		if ep.list {
			if p == "total_count" {
				c.totalCount = true
				continue
			}
			if parts[0] != "data" {
				return nil, invalid("", "", "This property cannot be expanded (%s). You may want to try expanding 'data.%s' instead.", p, p)
			}
			parts = parts[1:]
		}
		if !canExpand(c.version, ep.object, parts) {
			return nil, invalid("", "", "This property cannot be expanded (%s).", p)
		}
		if len(parts) > 0 {
			paths = append(paths, strings.Join(parts, "."))
		}
	}
	return paths, nil
}

func canExpand(version, object string, parts []string) bool {
	for i := 0; i < len(parts); i++ {
		to, ok := expandable[object][parts[i]]
		if object == "charge" && parts[i] == "dispute" {
			to, ok = "dispute", !since(version, versionNoDispute)
		}
		if object == "charge.details.card" {
			ok = ok && since(version, versionCardMandate)
		}
		if object == "refund" && (parts[i] == "customer" || parts[i] == "payment_method") {
			ok = since(version, versionRefundCustomer)
		}
		if !ok {
			return false
		}
		switch to {
		case "refunds":
			if i+1 < len(parts) && parts[i+1] == "data" {
				i++
			}
			object = "refund"
		case "any":
			return true
		default:
			object = to
		}
	}
	return true
}

// expandAll replaces ids by objects in an answer, or in each of a list's.
func (c *call) expandAll(v *view, objects ...any) error {
	for _, o := range objects {
		for _, p := range c.expand {
			if err := v.expandPath(o.(obj), strings.Split(p, ".")); err != nil {
				return err
			}
		}
	}
	return nil
}

// single renders an object for a retrieve call, expanded.
func (c *call) single(render func(v *view) (obj, error)) (obj, error) {
	var o obj
	err := c.view(func(v *view) (err error) {
		if o, err = render(v); err != nil {
			return err
		}
		return c.expandAll(v, o)
	})
	return o, err
}

func (v *view) expandPath(o obj, parts []string) error {
	field := parts[0]
	if field == "refunds" && o["object"] == "charge" {
		if _, shown := o["refunds"]; !shown {
			list, err := v.refundsOf(o["id"].(string))
			if err != nil {
				return err
			}
			o["refunds"] = list
		}
		if len(parts) < 3 || parts[1] != "data" {
			return nil
		}
		for _, d := range o["refunds"].(obj)["data"].([]any) {
			if err := v.expandPath(d.(obj), parts[2:]); err != nil {
				return err
			}
		}
		return nil
	}
	if field == "sources" && o["object"] == "customer" && o["deleted"] == nil {
		row, b, err := storedBody[customerBody](v, kindCustomer, o["id"].(string))
		if err != nil {
			return err
		}
		o["sources"], err = v.customerSources(row.ID, b)
		return err
	}
	inner, ok := o[field].(obj)
	if !ok {
		ref, isID := o[field].(string)
		if !isID || ref == "" {
			return nil
		}
		var err error
		if object, _ := o["object"].(string); expandable[object][field] == "customer" {
			inner, err = v.customer(ref) // its id may be the merchant's choice
		} else {
			inner, err = v.byID(ref)
		}
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		o[field] = inner
	}
	if len(parts) > 1 {
		return v.expandPath(inner, parts[1:])
	}
	return nil
}

// byID renders the object an id names, by its prefix.
func (v *view) byID(ref string) (obj, error) {
	prefix, _, _ := strings.Cut(ref, "_")
	switch prefix {
	case "py", "ch":
		return v.charge(ref)
	case "pyr", "re":
		return v.refund(ref)
	case "cus":
		return v.customer(ref)
	case "clock":
		return v.testClock(ref)
	case "file":
		return v.file(ref)
	case "src":
		return v.source(ref, false)
	case "pi":
		return v.intent(ref)
	case "pm":
		return v.paymentMethod(ref)
	case "seti":
		return v.setup(ref)
	case "mandate":
		return v.mandate(ref)
	case "setatt":
		row, err := v.Resource(kindSetupAttempt, ref)
		if err != nil {
			return nil, err
		}
		return v.setupAttempt(row)
	case "dp":
		return v.dispute(ref)
	case "po":
		return v.payout(ref)
	case "txn":
		return v.transaction(ref)
	}
	return nil, store.ErrNotFound
}
