package stripe

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// difference is one change of shape: what objects of a type looked like before a
// version. Renderers make the newest shape, and older turns it back step by
// step; what needs more data than the object itself is decided by its renderer.
type difference struct {
	from   string // the version that brought the new shape
	object string // the type it concerns
	// older turns an object into its earlier shape. It is also given parts of
	// objects (previous attributes), and objects that have the shape already.
	older func(o obj)
}

// differences lists the changes of stripe-platform §6.4 that only concern the
// shape of our objects, newest first. TestDifferences has a row for each.
var differences = []difference{
	{"2024-11-20", "payout", func(o obj) { delete(o, "trace_id") }},
	{"2024-09-30", "dispute", noCaseType},
	{"2022-08-01", "customer", add("default_currency", nil)},
	{"2020-08-27", "customer", emptyLists("subscriptions", "tax_ids")},
	{"2019-12-03", "customer", add("tax_info", nil)},
	{"2019-12-03", "customer", add("tax_info_verification", nil)},
	{"2019-10-17", "customer", rename("balance", "account_balance")},
	{"2019-02-11", "payment_intent", firstIntents},
	{"2018-09-24", "file", retype("file_upload")},
	{"2017-04-06", "balance_transaction", values("type", map[string]string{"payout": "transfer", "payout_cancel": "transfer_cancel", "payout_failure": "transfer_failure"})},
	{"2017-04-06", "payout", retype("transfer")},
	{"2017-01-27", "balance_transaction", sourcedTransfers},
	{"2015-02-18", "charge", values("status", map[string]string{"succeeded": "paid"})},
	{"2015-02-18", "charge", rename("source", "card")},
	{"2015-02-18", "customer", rename("sources", "cards")},
	{"2015-02-18", "customer", rename("default_source", "default_card")},
	{"2015-02-10", "dispute", values("status", map[string]string{"warning_closed": "warning_under_review"})},
	{"2015-01-11", "file", values("type", map[string]string{"csv": "text/csv", "jpg": "image/jpeg", "pdf": "application/pdf", "png": "image/png"})},
	{"2014-12-17", "charge", rename("statement_descriptor", "statement_description")},
	{"2014-12-08", "dispute", plainEvidence},
	{"2014-08-20", "dispute", values("status", map[string]string{"warning_needs_response": "needs_response", "warning_under_review": "under_review"})},
	{"2014-08-20", "dispute", func(o obj) { delete(o, "balance_transactions") }},
	{"2014-06-17", "charge", func(o obj) {
		if list, ok := o["refunds"].(obj); ok {
			o["refunds"] = list["data"]
		}
	}},
}

// versionNulls is when members without a value began to be shown as null.
const versionNulls = "2012-02-23"

// rename gives a member its earlier name.
func rename(name, earlier string) func(o obj) {
	return func(o obj) {
		if v, ok := o[name]; ok {
			o[earlier] = v
			delete(o, name)
		}
	}
}

// whole reports whether o is an object and not some of its former attributes.
func whole(o obj) bool { return o["object"] != nil && o["deleted"] == nil }

// add gives whole objects a member that was dropped later.
func add(name string, value any) func(o obj) {
	return func(o obj) {
		if _, ok := o[name]; !ok && whole(o) {
			o[name] = value
		}
	}
}

// emptyLists gives whole objects sub-lists of what this server has none of.
func emptyLists(names ...string) func(o obj) {
	return func(o obj) {
		for _, name := range names {
			if id, ok := o["id"].(string); ok {
				add(name, obj{"object": "list", "data": []any{}, "has_more": false, "total_count": 0, "url": "/v1/customers/" + id + "/" + name})(o)
			}
		}
	}
}

// retype gives a type of object its earlier name.
func retype(earlier string) func(o obj) {
	return func(o obj) {
		if whole(o) {
			o["object"] = earlier
		}
	}
}

// values gives a member's values their earlier names.
func values(name string, earlier map[string]string) func(o obj) {
	return func(o obj) {
		if s, ok := o[name].(string); ok && earlier[s] != "" {
			o[name] = earlier[s]
		}
	}
}

func sourcedTransfers(o obj) {
	source, _ := o["source"].(string)
	add("sourced_transfers", obj{"object": "list", "data": []any{}, "has_more": false, "total_count": 0, "url": "/v1/transfers?source_transaction=" + source})(o)
}

// firstIntents are the words of the first PaymentIntents.
func firstIntents(o obj) {
	values("status", map[string]string{"requires_payment_method": "requires_source", "requires_action": "requires_source_action"})(o)
	rename("payment_method_types", "allowed_source_types")(o)
	rename("next_action", "next_source_action")(o)
	if next, ok := o["next_source_action"].(obj); ok {
		rename("redirect_to_url", "authorize_with_url")(next)
		values("type", map[string]string{"redirect_to_url": "authorize_with_url"})(next)
	}
	add("save_source_to_customer", nil)(o)
}

// noCaseType: disputes of cards did not say what kind of case they are.
func noCaseType(o obj) {
	details, _ := o["payment_method_details"].(obj)
	if card, ok := details["card"].(obj); ok {
		delete(card, "case_type")
	}
}

// plainEvidence is a dispute's evidence as one text.
func plainEvidence(o obj) {
	if e, ok := o["evidence"].(obj); ok {
		o["evidence"] = e["uncategorized_text"]
	}
	if d, ok := o["evidence_details"].(obj); ok {
		if due, ok := d["due_by"]; ok {
			o["evidence_due_by"] = due
		}
		delete(o, "evidence_details")
	}
}

// older turns what was rendered into the shape of a version. It leaves events
// alone, which are rendered once and for all.
func older(version string, v any) {
	if !since(version, differences[0].from) {
		shape(version, v)
	}
}

func shape(version string, v any) {
	switch v := v.(type) {
	case obj:
		kind, _ := v["object"].(string)
		if kind == "event" {
			return
		}
		for _, inner := range v {
			shape(version, inner)
		}
		shapeAs(version, kind, v)
	case []any:
		for _, inner := range v {
			shape(version, inner)
		}
	}
}

// shapeAs turns an object, or some of its attributes, into the shape its type
// had.
func shapeAs(version, kind string, o obj) {
	for _, d := range differences {
		if since(version, d.from) {
			break
		}
		if d.object == kind {
			d.older(o)
		}
	}
	if !since(version, versionNulls) {
		maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	}
}

// Versions at which previous_attributes changed.
const (
	versionNestedPrevious   = "2015-01-26" // nested differences instead of whole sub-objects
	versionCompletePrevious = "2017-05-25" // arrays complete instead of what differs in them
)

// changed returns the old values of what differs between two renderings, in the
// way of the version: nested hashes show their differences only, arrays are
// complete, an attribute that was absent is null.
func (v *view) changed(was, is obj) obj {
	older(v.version, was)
	older(v.version, is)
	return changes(v.version, was, is)
}

func changes(version string, was, is obj) obj {
	out := obj{}
	both := maps.Clone(was) // also what is gone, such as a key of metadata
	maps.Copy(both, is)
	for k := range both {
		old, now := was[k], is[k]
		if reflect.DeepEqual(old, now) {
			continue
		}
		a, okA := hashOf(old)
		b, okB := hashOf(now)
		la, okLA := items(old)
		lb, okLB := items(now)
		switch {
		case okA && okB && since(version, versionNestedPrevious):
			out[k] = changes(version, a, b)
		case okLA && okLB && since(version, versionNestedPrevious) && !since(version, versionCompletePrevious):
			out[k] = slices.DeleteFunc(la, func(x any) bool {
				return slices.ContainsFunc(lb, func(y any) bool { return reflect.DeepEqual(x, y) })
			})
		default:
			out[k] = old
		}
	}
	return out
}

// hashOf returns a rendered hash as an object.
func hashOf(v any) (obj, bool) {
	switch v := v.(type) {
	case obj:
		return v, true
	case map[string]string:
		o := make(obj, len(v))
		for k, s := range v {
			o[k] = s
		}
		return o, true
	}
	return nil, false
}

// items returns a copy of a rendered list's elements.
func items(v any) ([]any, bool) {
	switch v := v.(type) {
	case []any:
		return slices.Clone(v), true
	case []string:
		l := make([]any, len(v))
		for i := range v {
			l[i] = v[i]
		}
		return l, true
	}
	return nil, false
}

// eventRename is a change of the names of events.
type eventRename struct {
	from         string // the version that brought the new names
	now, earlier string // prefixes
}

var eventRenames = []eventRename{
	{"2017-04-06", "payout.", "transfer."},
	{"2015-02-18", "customer.source.", "customer.card."},
}

// eventName is what a type of event is called in a version.
func eventName(version, typ string) string {
	for _, r := range eventRenames {
		if rest, ok := strings.CutPrefix(typ, r.now); ok && !since(version, r.from) {
			return r.earlier + rest
		}
	}
	return typ
}

// subscribable reports whether an endpoint of a version can subscribe to a type.
func subscribable(version, typ string) bool {
	if knownEvent(typ) {
		return true
	}
	for _, r := range eventRenames {
		if rest, ok := strings.CutPrefix(typ, r.earlier); ok && !since(version, r.from) && knownEvent(r.now+rest) {
			return true
		}
	}
	return false
}

// parameterDrop is a parameter that a version dropped.
type parameterDrop struct{ object, name, until string }

var parameterDrops = []parameterDrop{
	{"payment_intent", "payment_method_types", "2026-09-30"},
	{"setup_intent", "payment_method_types", "2026-09-30"},
}

// parameterRename is a parameter that was called otherwise before a version.
type parameterRename struct{ from, object, earlier, now string }

var parameterRenames = []parameterRename{
	{"2019-02-11", "payment_intent", "allowed_source_types", "payment_method_types"},
	{"2015-02-18", "customer", "card", "source"},
	{"2015-02-18", "customer", "default_card", "default_source"},
	{"2014-12-17", "charge", "statement_description", "statement_descriptor"},
}

// modernized gives parameters of an older version the names they have today.
func (c *call) modernized(ep endpoint) form.Value {
	params := c.params
	for _, r := range parameterRenames {
		if r.object == ep.object && ep.write != nil && !since(c.version, r.from) {
			params = params.Renamed(r.earlier, r.now)
		}
	}
	return params
}

// takes reports whether a version has a parameter that the endpoint knows.
func (c *call) takes(ep endpoint, name string) bool {
	return !slices.ContainsFunc(parameterDrops, func(p parameterDrop) bool {
		return p.object == ep.object && p.name == name && since(c.version, p.until)
	})
}
