package stripe

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// reporter writes one report. Every report is made of balance transactions, so
// that reports, the list of balance transactions and the ledger say the same.
type reporter struct {
	v       *view
	typ     reportType
	params  reportParams
	zone    *time.Location
	columns []string
	out     bytes.Buffer
	payouts map[string]payoutSeen
}

// payoutSeen is a payout that was looked up.
type payoutSeen struct {
	created time.Time
	body    payoutBody
}

var errReportLarge = errors.New("stripe: report too large")

// writeReport makes a run's file.
func writeReport(v *view, b reportBody) ([]byte, error) {
	typ, ok := reportTypeOf(b.Type)
	if !ok {
		return nil, fmt.Errorf("unknown report type %q", b.Type)
	}
	zone, err := b.Params.zone()
	if err != nil {
		return nil, err
	}
	r := &reporter{v: v, typ: typ, params: b.Params, zone: zone, columns: typ.defaults, payouts: map[string]payoutSeen{}}
	if len(b.Params.Columns) > 0 {
		r.columns = b.Params.Columns
	}
	if err := r.line(r.columns); err != nil {
		return nil, err
	}
	err = typ.write(r)
	return r.out.Bytes(), err
}

// line writes a record (RFC 4180). What is empty is empty; everything else is in
// quotes.
func (r *reporter) line(fields []string) error {
	for i, f := range fields {
		if i > 0 {
			r.out.WriteByte(',')
		}
		if f != "" {
			r.out.WriteString(`"` + strings.ReplaceAll(f, `"`, `""`) + `"`)
		}
	}
	r.out.WriteByte('\n')
	if r.out.Len() > r.v.api.reportMax {
		return errReportLarge
	}
	return nil
}

// Rows of a report.

// entry is a balance transaction in a report.
type entry struct {
	row resource.Row
	transactionBody
}

func (e entry) isPayout() bool { return e.Category == "payout" || e.Category == "payout_reversal" }

// reportPage is how many rows are read at a time.
const reportPage = 1000

// entries calls fn with the transactions of a list, oldest first, that the run's
// currency and category let through.
func (r *reporter) entries(q store.List, fn func(e entry) error) error {
	q.Kind = kindTransaction
	return oldestFirst(r.v, q, func(row resource.Row) error {
		b, err := decodeBody[transactionBody](row)
		if err != nil {
			return err
		}
		if r.params.Currency != "" && r.params.Currency != b.Currency.Lower() || r.params.Category != "" && r.params.Category != b.Category {
			return nil
		}
		return fn(entry{row, b})
	})
}

// oldestFirst walks the rows of a list in the order in which they were made.
func oldestFirst(r store.Reader, q store.List, fn func(row resource.Row) error) error {
	q.Oldest, q.Limit = true, reportPage
	for {
		rows, err := r.Resources(q)
		if err != nil {
			return err
		}
		for _, row := range slices.Backward(rows) {
			if err := fn(row); err != nil {
				return err
			}
		}
		if len(rows) < reportPage {
			return nil
		}
		q.After = rows[0].Sort
	}
}

// each calls fn with the transactions the report is about.
func (r *reporter) each(fn func(e entry) error) error {
	switch kind, _, _ := strings.Cut(r.typ.id, "."); kind {
	case "balance_change_from_activity":
		return r.during(func(e entry) error {
			if e.isPayout() {
				return nil
			}
			return fn(e)
		})
	case "payouts":
		return r.during(func(e entry) error {
			if !e.isPayout() {
				return nil
			}
			return fn(e)
		})
	case "ending_balance_reconciliation":
		return r.unpaid(fn)
	}
	if r.params.Payout != "" {
		return r.paidOut(r.params.Payout, fn)
	}
	return r.paidOutDuring(fn)
}

// during walks what was booked in the interval.
func (r *reporter) during(fn func(e entry) error) error {
	from, to := period{r.params.Start, r.params.End - 1}.sorts()
	return r.entries(store.List{From: from, Before: to}, fn)
}

// before walks what was booked until an instant.
func (r *reporter) before(end int64, fn func(e entry) error) error {
	_, to := period{0, end - 1}.sorts()
	return r.entries(store.List{Before: to}, fn)
}

// paidOut walks what an automatic payout paid out.
func (r *reporter) paidOut(payout string, fn func(e entry) error) error {
	return r.entries(store.List{And: []resource.Key{{Name: "payout", Value: payout}}}, fn)
}

// paidOutDuring walks what the automatic payouts paid out that arrived in the
// interval.
func (r *reporter) paidOutDuring(fn func(e entry) error) error {
	arrived := period{r.params.Start, r.params.End - 1}
	from, to := period{arrived.from - int64(arrivalMax.Seconds()), arrived.to}.sorts()
	return oldestFirst(r.v, store.List{Kind: kindPayout, From: from, Before: to}, func(row resource.Row) error {
		b, err := decodeBody[payoutBody](row)
		if err != nil || !b.Payout.Automatic || !arrived.has(b.Payout.Arrival) {
			return err
		}
		return r.paidOut(row.ID, fn)
	})
}

// unpaid walks what no automatic payout had paid out when the interval ended.
func (r *reporter) unpaid(fn func(e entry) error) error {
	end := time.Unix(r.params.End, 0)
	return r.before(r.params.End, func(e entry) error {
		payout := e.Payout
		if e.Clearing {
			payout = e.Source // it is what paid the others out
		}
		if payout == "" {
			return fn(e)
		}
		p, err := r.payout(payout)
		if err != nil || p.created.Before(end) {
			return err
		}
		return fn(e)
	})
}

func (r *reporter) payout(id string) (payoutSeen, error) {
	if p, ok := r.payouts[id]; ok {
		return p, nil
	}
	row, b, err := payoutOf(r.v, id)
	if err == nil {
		r.payouts[id] = payoutSeen{row.Created, b}
	}
	return r.payouts[id], err
}

// Kinds of reports.

// balanceSummary tells how the balance of each currency came about.
func (r *reporter) balanceSummary() error {
	type sums struct{ starting, activity, payouts int64 }
	all := map[money.Currency]*sums{}
	start := time.Unix(r.params.Start, 0)
	if err := r.before(r.params.End, func(e entry) error {
		s, ok := all[e.Currency]
		if !ok {
			s = &sums{}
			all[e.Currency] = s
		}
		switch net := e.Amount - e.Fee; {
		case e.row.Created.Before(start):
			s.starting += net
		case e.isPayout():
			s.payouts += net
		default:
			s.activity += net
		}
		return nil
	}); err != nil {
		return err
	}
	if len(all) == 0 {
		all[cmp.Or(money.Currency(strings.ToUpper(r.params.Currency)), r.v.merchant.Profile.DefaultCurrency)] = &sums{}
	}
	day := func(seconds int64) string { return time.Unix(seconds, 0).In(r.zone).Format(time.DateOnly) }
	for _, c := range slices.Sorted(maps.Keys(all)) {
		s := all[c]
		for _, l := range []struct {
			category, description string
			net                   int64
		}{
			{"starting_balance", "Starting balance (" + day(r.params.Start) + ")", s.starting},
			{"activity", "Activity", s.activity},
			{"payouts", "Total payouts", s.payouts},
			{"ending_balance", "Ending balance (" + day(r.params.End-1) + ")", s.starting + s.activity + s.payouts},
		} {
			if err := r.line([]string{l.category, c.Lower(), l.description, money.Of(l.net, c).Decimal()}); err != nil {
				return err
			}
		}
	}
	return nil
}

// summary sums by category and currency.
func (r *reporter) summary() error {
	type key struct {
		currency money.Currency
		category string
	}
	type sums struct{ count, gross, fee int64 }
	all := map[key]sums{}
	if err := r.each(func(e entry) error {
		k := key{e.Currency, e.Category}
		s := all[k]
		all[k] = sums{s.count + 1, s.gross + e.Amount, s.fee + e.Fee}
		return nil
	}); err != nil {
		return err
	}
	ordered := slices.SortedFunc(maps.Keys(all), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.currency, b.currency), cmp.Compare(a.category, b.category))
	})
	for _, k := range ordered {
		s := all[k]
		major := func(n int64) string { return money.Of(n, k.currency).Decimal() }
		if err := r.line([]string{k.category, k.currency.Lower(), strconv.FormatInt(s.count, 10), major(s.gross), major(s.fee), major(s.gross - s.fee)}); err != nil {
			return err
		}
	}
	return nil
}

// itemized tells every transaction.
func (r *reporter) itemized() error {
	fields := make([]string, len(r.columns))
	return r.each(func(e entry) error {
		i := &item{reporter: r, entry: e, known: map[string]obj{}}
		for n, column := range r.columns {
			var err error
			if fields[n], err = i.field(column); err != nil {
				return err
			}
		}
		return r.line(fields)
	})
}

// item is a line of an itemized report, with the objects it tells about.
type item struct {
	*reporter
	entry
	known map[string]obj // by kind
}

// object renders what the transaction is about, as far as a column asks for it:
// its charge, that charge's customer, its refund, dispute or payout. It is empty
// if there is none.
func (i *item) object(kind string) (obj, error) {
	if o, ok := i.known[kind]; ok {
		return o, nil
	}
	id := i.Source
	prefix, _, _ := strings.Cut(id, "_")
	var err error
	switch kind {
	case "charge":
		if id, err = i.v.chargeBehind(id); err == nil {
			prefix, _, _ = strings.Cut(id, "_")
		}
	case "customer":
		var charge obj
		charge, err = i.object("charge")
		id, prefix = memberText(charge, "customer"), "customer"
	case "automatic_payout":
		id, prefix = i.Payout, kind
	}
	if err != nil {
		return nil, err
	}
	o := obj{}
	if id != "" && slices.Contains(reportPrefixes[kind], prefix) {
		if kind == "customer" {
			o, err = i.v.customer(id) // its id may be the merchant's choice
		} else {
			o, err = i.v.byID(id)
		}
		if errors.Is(err, store.ErrNotFound) {
			o, err = obj{}, nil
		}
	}
	i.known[kind] = o
	return o, err
}

// reportPrefixes tells by what an object's id begins.
var reportPrefixes = map[string][]string{
	"charge": {"ch", "py"}, "customer": {"customer"}, "refund": {"re", "pyr"}, "dispute": {"dp"}, "payout": {"po"}, "automatic_payout": {"automatic_payout"},
}

// memberText is a member of a rendered object as text, "" if it has none.
func memberText(o obj, path ...string) string {
	var v any = o
	for _, name := range path {
		h, ok := hashOf(v)
		if !ok {
			return ""
		}
		v = h[name]
	}
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// columnOf says where a column that copies a member of an object has it from.
var columnOf = map[string][]string{
	"automatic_payout_id": {"automatic_payout", "id"},
	"customer_id":         {"customer", "id"}, "customer_email": {"customer", "email"}, "customer_name": {"customer", "name"},
	"customer_description": {"customer", "description"},
	"charge_id":            {"charge", "id"}, "payment_intent_id": {"charge", "payment_intent"},
	"payment_method_type": {"charge", "payment_method_details", "type"},
	"card_brand":          {"charge", "payment_method_details", "card", "brand"}, "card_funding": {"charge", "payment_method_details", "card", "funding"},
	"card_country":         {"charge", "payment_method_details", "card", "country"},
	"statement_descriptor": {"charge", "statement_descriptor"}, "dispute_reason": {"dispute", "reason"},
	"payout_id": {"payout", "id"}, "payout_status": {"payout", "status"}, "payout_type": {"payout", "type"},
	"payout_description": {"payout", "description"}, "payout_destination_id": {"payout", "destination"}, "trace_id": {"payout", "trace_id", "value"},
	"trace_id_status": {"payout", "trace_id", "status"},
}

// addressColumns are the columns with addresses, and where those are.
var addressColumns = map[string][]string{
	"customer_shipping_address": {"customer", "shipping", "address"}, "customer_address": {"customer", "address"},
	"shipping_address": {"charge", "shipping", "address"}, "card_address": {"charge", "billing_details", "address"},
}

func init() {
	for prefix, at := range addressColumns {
		for _, part := range addressMembers {
			columnOf[prefix+"_"+part] = append(slices.Clone(at), part)
		}
	}
}

// Columns of itemized reports, in their order (stripe-platform §11.3).
var (
	activityColumns = strings.Fields(`balance_transaction_id created_utc created available_on_utc available_on currency gross fee net reporting_category
source_id description customer_facing_amount customer_facing_currency`)
	reconciliationColumns = append([]string{"automatic_payout_id", "automatic_payout_effective_at"}, activityColumns...)
	itemColumns           = slices.Concat([]string{"automatic_payout_id", "automatic_payout_effective_at_utc", "automatic_payout_effective_at"}, activityColumns,
		strings.Fields("regulatory_tag customer_id customer_email customer_name customer_description"),
		addressFields("customer_shipping_address"), addressFields("customer_address"), addressFields("shipping_address"), addressFields("card_address"),
		strings.Fields(`charge_id payment_intent_id charge_created_utc charge_created invoice_id invoice_number subscription_id order_id payment_method_type
is_link card_brand card_funding card_country statement_descriptor dispute_reason connected_account_id connected_account_name connected_account_country
connected_account_direct_charge_id destination_payment_id trace_id trace_id_status`))
	payoutColumns = strings.Fields(`payout_id effective_at_utc effective_at currency gross fee net reporting_category balance_transaction_id description
payout_expected_arrival_date payout_status payout_reversed_at_utc payout_reversed_at payout_type payout_description payout_destination_id regulatory_tag
trace_id trace_id_status`)
)

func addressFields(prefix string) (fields []string) {
	for _, part := range []string{"line1", "line2", "city", "state", "postal_code", "country"} {
		fields = append(fields, prefix+"_"+part)
	}
	return fields
}

// reportTime is how reports write an instant.
const reportTime = time.DateTime

// field is what an item has in a column; "" in those about what this server does
// not have: invoices, subscriptions, connected accounts.
func (i *item) field(column string) (string, error) {
	major := func(n int64) string { return money.Of(n, i.Currency).Decimal() }
	if m := metadataColumn.FindStringSubmatch(column); m != nil {
		o, err := i.object(map[string]string{"payment": "charge", "refund": "refund"}[m[1]])
		return noFormula(memberText(o, "metadata", m[2])), err
	}
	if from, ok := columnOf[column]; ok {
		o, err := i.object(from[0])
		return noFormula(memberText(o, from[1:]...)), err
	}
	switch column {
	case "balance_transaction_id":
		return i.row.ID, nil
	case "currency":
		return i.Currency.Lower(), nil
	case "gross":
		return major(i.Amount), nil
	case "fee":
		return major(i.Fee), nil
	case "net":
		return major(i.Amount - i.Fee), nil
	case "reporting_category":
		return i.Category, nil
	case "source_id":
		return i.Source, nil
	case "description":
		return noFormula(i.Description), nil
	case "is_link":
		return "false", nil
	case "customer_facing_amount", "customer_facing_currency":
		charge, err := i.object("charge")
		switch {
		case err != nil || len(charge) == 0:
			return "", err
		case column == "customer_facing_currency":
			return i.Currency.Lower(), nil
		}
		return major(i.Amount), nil
	}
	return i.instant(column)
}

// harmless is text that spreadsheets take for a number at most.
var harmless = regexp.MustCompile(`^[-+][-+0-9 .,()/]*$`)

// noFormula is somebody's text as it stands in a file that people open with a
// spreadsheet: what would be taken for a formula gets an apostrophe.
func noFormula(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) || harmless.MatchString(s) {
		return s
	}
	return "'" + s
}

// instant is what an item has in a column with a time: of its own, in UTC with
// the suffix _utc, otherwise in the report's zone.
func (i *item) instant(column string) (string, error) {
	name, utc := strings.CutSuffix(column, "_utc")
	at, err := i.when(name)
	if err != nil || at.IsZero() {
		return "", err
	}
	if utc {
		return at.UTC().Format(reportTime), nil
	}
	return at.In(i.zone).Format(reportTime), nil
}

func (i *item) when(name string) (time.Time, error) {
	seconds := func(kind, member string) (time.Time, error) {
		o, err := i.object(kind)
		if n, ok := o[member].(int64); ok && n > 0 {
			return time.Unix(n, 0), err
		}
		return time.Time{}, err
	}
	switch name {
	case "created":
		return i.row.Created, nil
	case "available_on":
		return i.AvailableOn, nil
	case "charge_created":
		return seconds("charge", "created")
	case "automatic_payout_effective_at":
		return seconds("automatic_payout", "arrival_date")
	case "payout_expected_arrival_date":
		return seconds("payout", "arrival_date")
	case "effective_at":
		if i.Type != "payout" {
			return i.row.Created, nil // it came back
		}
		return seconds("payout", "arrival_date")
	case "payout_reversed_at":
		return i.cameBack()
	}
	return time.Time{}, nil
}

// cameBack is when the payout's money came back, if it did.
func (i *item) cameBack() (time.Time, error) {
	p, err := i.payout(i.Source)
	if err != nil {
		return time.Time{}, err
	}
	if p.body.Payout.ReversedBy != "" {
		back, err := i.payout(p.body.Payout.ReversedBy)
		return back.created, err
	}
	if p.body.FailureTransaction == "" {
		return time.Time{}, nil
	}
	row, err := i.v.Resource(kindTransaction, p.body.FailureTransaction)
	return row.Created, err
}
