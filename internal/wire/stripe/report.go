package stripe

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const (
	kindReport = "stripe.report_run"

	// JobReport makes the file of a report run.
	JobReport = "report_run"

	// purposeReport is the purpose of the files that reports are.
	purposeReport = "finance_report_run"

	// reportMax bounds a report's file, in bytes, unless the API is told
	// otherwise: it is kept in a row.
	reportMax = fileMax
)

// columnsMax bounds the columns of a report: all there are, and as many keys of
// metadata as two objects have.
const columnsMax = 200

// reportTooLarge is why a run fails.
const reportTooLarge = "The report would be larger than %d bytes. Run it for a shorter interval or with fewer columns."

// reportsFrom is the earliest instant a report can be about.
const reportsFrom = int64(1_293_840_000) // 2011-01-01

// reportType is a kind of report (stripe-platform §11.2).
type reportType struct {
	id, name string
	columns  []string // that can be chosen; nil: none can
	defaults []string // the columns unless others are chosen, or all there are
	params   []string // parameters it takes; those of the interval, or the payout, are required
	write    func(r *reporter) error
}

// Parameters of reports.
var (
	overInterval = []string{"interval_start", "interval_end", "timezone", "currency"}
	ofActivity   = append([]string{"reporting_category"}, overInterval...)
	ofPayouts    = append([]string{"payout"}, ofActivity...)
	ofOnePayout  = []string{"payout", "timezone", "currency", "reporting_category"}
)

var summaryColumns = []string{"reporting_category", "currency", "count", "gross", "fee", "net"}

// reportTypes are the reports there are.
var reportTypes = []reportType{
	{"balance.summary.1", "Balance summary", nil, []string{"category", "currency", "description", "net_amount"}, overInterval, (*reporter).balanceSummary},
	{"balance_change_from_activity.summary.1", "Balance change from activity summary", nil, summaryColumns, ofActivity, (*reporter).summary},
	{"balance_change_from_activity.itemized.3", "Itemized balance change from activity", itemColumns, activityColumns, ofActivity, (*reporter).itemized},
	{"payouts.summary.1", "Payouts summary", nil, summaryColumns, ofActivity, (*reporter).summary},
	{"payouts.itemized.3", "Itemized payouts", payoutColumns, payoutColumns, ofActivity, (*reporter).itemized},
	{"payout_reconciliation.summary.1", "Payout reconciliation summary", nil, summaryColumns, ofPayouts, (*reporter).summary},
	{"payout_reconciliation.itemized.5", "Itemized payout reconciliation", itemColumns, reconciliationColumns, ofPayouts, (*reporter).itemized},
	{"payout_reconciliation.by_id.summary.1", "Payout reconciliation summary, one payout", nil, summaryColumns, ofOnePayout, (*reporter).summary},
	{"payout_reconciliation.by_id.itemized.4", "Itemized payout reconciliation, one payout", itemColumns, reconciliationColumns, ofOnePayout, (*reporter).itemized},
	{"ending_balance_reconciliation.summary.1", "Ending balance reconciliation summary", nil, summaryColumns, ofActivity, (*reporter).summary},
	{"ending_balance_reconciliation.itemized.4", "Itemized ending balance reconciliation", itemColumns, activityColumns, ofActivity, (*reporter).itemized},
}

func reportTypeOf(id string) (reportType, bool) {
	i := slices.IndexFunc(reportTypes, func(t reportType) bool { return t.id == id })
	if i < 0 {
		return reportType{}, false
	}
	return reportTypes[i], true
}

// reportParams say what a report is to be about. Instants are in Unix seconds;
// the interval's end is not in it.
type reportParams struct {
	Start    int64    `json:"interval_start,omitempty"`
	End      int64    `json:"interval_end,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
	Currency string   `json:"currency,omitempty"`
	Category string   `json:"reporting_category,omitempty"`
	Payout   string   `json:"payout,omitempty"`
	Columns  []string `json:"columns,omitempty"`
}

// zone is where the report's local times are.
func (p reportParams) zone() (*time.Location, error) {
	if p.Timezone == "" {
		return time.UTC, nil
	}
	return time.LoadLocation(p.Timezone)
}

// reportBody is a report run. Its status follows from what came of it.
type reportBody struct {
	Type      string       `json:"type"`
	Params    reportParams `json:"params"`
	File      string       `json:"file,omitempty"`
	Error     string       `json:"error,omitempty"`
	Succeeded time.Time    `json:"succeeded,omitzero"`
}

func (b reportBody) status() string {
	switch {
	case b.Error != "":
		return "failed"
	case b.File != "":
		return "succeeded"
	}
	return "pending"
}

// reportCategories are the reporting categories a report can be limited to.
var reportCategories = strings.Fields(`advance advance_funding anticipation_repayment charge charge_failure climate_order_purchase climate_order_refund
connect_collection_transfer connect_reserved_funds contribution dispute dispute_reversal fee financing_paydown financing_paydown_reversal financing_payout
financing_payout_reversal issuing_authorization_hold issuing_authorization_release issuing_dispute issuing_transaction network_cost other_adjustment
partial_capture_reversal payout payout_reversal platform_earning platform_earning_refund refund refund_failure risk_reserved_funds tax topup
topup_reversal transfer transfer_reversal unreconciled_customer_funds`)

func createReport(c *call) (step, error) {
	id, err := must(c.params.Get("report_type"), "report_type", 0)
	if err != nil {
		return step{}, err
	}
	typ, ok := reportTypeOf(id)
	if !ok {
		return step{}, noSuch(400, "report type", "report_type", id)
	}
	params, err := typ.decode(c.params.Get("parameters"))
	if err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			if err := typ.check(c, t, params); err != nil {
				return err
			}
			row := newRow(t, kindReport, t.NewID("frr_"), "", encodeBody(reportBody{Type: id, Params: params}))
			t.Subject = row.ID
			if err := t.InsertResource(row); err != nil {
				return err
			}
			return t.Job("report:"+row.ID, JobReport, t.At, reportPayload{Run: row.ID})
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).reportRun(t.Subject) },
	}, nil
}

// reportParameter is the full name of a parameter of a run.
func reportParameter(name string) string { return "parameters[" + name + "]" }

var knownReportParams = []string{"columns", "connected_account", "currency", "interval_end", "interval_start", "payout", "reporting_category", "timezone"}

// decode reads a run's parameters and refuses those the report does not take.
func (typ reportType) decode(v form.Value) (p reportParams, err error) {
	h, set, err := hash(v, "parameters")
	if err != nil {
		return p, err
	}
	if set {
		if err := members(h, "parameters", knownReportParams...); err != nil {
			return p, err
		}
	}
	for name := range h.Keys() {
		if !slices.Contains(typ.params, name) && (name != "columns" || typ.columns == nil) {
			return p, invalid("", reportParameter(name), "The parameter %s is not supported by the report type %s.", name, typ.id)
		}
	}
	for name, to := range fields(at("interval_start", &p.Start), at("interval_end", &p.End)) {
		n, set, err := integer(h.Get(name), reportParameter(name))
		if err != nil {
			return p, err
		}
		if !set && slices.Contains(typ.params, name) {
			return p, missingParam(reportParameter(name))
		}
		*to = n
	}
	for name, to := range fields(at("timezone", &p.Timezone), at("payout", &p.Payout)) {
		if *to, _, err = text(h.Get(name), reportParameter(name), 0); err != nil {
			return p, err
		}
	}
	if p.Payout == "" && !slices.Contains(typ.params, "interval_start") {
		return p, missingParam(reportParameter("payout"))
	}
	if _, err := p.zone(); err != nil || p.Timezone == "Local" {
		return p, invalid("", reportParameter("timezone"), "Invalid timezone: %s; it must be the name of a zone of the IANA database, such as Etc/UTC.", printable(p.Timezone))
	}
	if p.Category, _, err = oneOf(h.Get("reporting_category"), reportParameter("reporting_category"), reportCategories...); err != nil {
		return p, err
	}
	if h.Get("currency").Kind() != form.Missing {
		cur, err := currencyOf(h.Get("currency"), reportParameter("currency"))
		if err != nil {
			return p, err
		}
		p.Currency = cur.Lower()
	}
	p.Columns, err = typ.chosen(h.Get("columns"))
	return p, err
}

// metadataColumn is a column with one key of an object's metadata.
var metadataColumn = regexp.MustCompile(`^(payment|refund|transfer)_metadata\[([^\[\]]{1,40})\]$`)

// chosen reads the columns a run is to have.
func (typ reportType) chosen(v form.Value) ([]string, error) {
	name := reportParameter("columns")
	if v.Kind() == form.Missing || v.Kind() == form.Scalar && v.String() == "" {
		return nil, nil
	}
	if v.Kind() != form.List {
		return nil, invalid("", name, "Invalid array")
	}
	if len(v.Items()) > columnsMax {
		return nil, invalid("", name, "A report can have up to %d columns.", columnsMax)
	}
	var columns []string
	for i, item := range v.Items() {
		column := item.String()
		if !slices.Contains(typ.columns, column) && (!metadataColumn.MatchString(column) || !slices.Contains(typ.columns, "source_id")) {
			return nil, invalid("", fmt.Sprintf("%s[%d]", name, i), "Invalid column: %s; the report type %s has %s.", printable(column), typ.id, strings.Join(typ.columns, ", "))
		}
		if slices.Contains(columns, column) {
			return nil, invalid("", fmt.Sprintf("%s[%d]", name, i), "The column %s is named twice.", printable(column))
		}
		columns = append(columns, column)
	}
	return columns, nil
}

// check refuses what depends on the time and on other objects.
func (typ reportType) check(c *call, t *engine.Tx, p reportParams) error {
	if p.Payout != "" {
		if err := c.finalPayout(t, p.Payout, reportParameter("payout")); err != nil {
			return err
		}
	}
	if !slices.Contains(typ.params, "interval_start") {
		return nil
	}
	for _, bad := range []struct {
		wrong bool
		name  string
		text  string
	}{
		{p.Start <= reportsFrom, "interval_start", fmt.Sprintf("interval_start must be after data_available_start (%d).", reportsFrom)},
		{p.End <= p.Start, "interval_end", "interval_end must be after interval_start."},
		{p.End > t.At.Unix(), "interval_end", fmt.Sprintf("interval_end cannot be after data_available_end (%d).", t.At.Unix())},
	} {
		if bad.wrong {
			return invalid("", reportParameter(bad.name), "%s", bad.text)
		}
	}
	return nil
}

type reportPayload struct {
	Run string `json:"run"`
}

// reportsAtOnce is how many reports a node makes at once: timers of all merchants
// share their places with them.
const reportsAtOnce = 4

// reports are the runs a node has in hand.
type reports struct {
	mu   sync.Mutex
	runs map[string]bool
}

// enter takes a run in hand, unless it is already, or there are enough.
func (r *reports) enter(run string) (leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[run] || len(r.runs) >= reportsAtOnce {
		return nil, false
	}
	if r.runs == nil {
		r.runs = map[string]bool{}
	}
	r.runs[run] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.runs, run)
	}, true
}

// RunReport makes the file of a report run. It is read in a snapshot, so that
// nobody waits for it, and written afterwards. A job that comes while its run is in
// hand, because that takes longer than a lease, or while there are enough, is left
// until its lease lapses.
func (a *API) RunReport(ctx context.Context, j store.Job) error {
	var pl reportPayload
	if err := json.Unmarshal(j.Payload, &pl); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	leave, ok := a.reports.enter(pl.Run)
	if !ok {
		return nil
	}
	defer leave()
	var data []byte
	var failure string
	err := a.engine.View(ctx, j.Merchant, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		_, b, err := storedBody[reportBody](r, kindReport, pl.Run)
		if err != nil {
			return err
		}
		data, err = writeReport(&view{Reader: r, api: a, merchant: &m, at: at, version: versions[len(versions)-1]}, b)
		if errors.Is(err, errReportLarge) {
			failure, err = fmt.Sprintf(reportTooLarge, a.reportMax), nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("report run %s: %w", pl.Run, err)
	}
	return a.engine.Update(ctx, j.Merchant, engine.Cause{}, func(t *engine.Tx) error {
		if err := t.DeleteJob(j.ID); err != nil {
			return err
		}
		return a.finishReport(t, pl.Run, data, failure)
	})
}

// finishReport keeps the file, or why there is none.
func (a *API) finishReport(t *engine.Tx, id string, data []byte, failure string) error {
	row, b, err := storedBody[reportBody](t, kindReport, id)
	if err != nil || b.status() != "pending" {
		return err
	}
	if b.Error = failure; failure == "" {
		b.File, b.Succeeded = t.NewID("file_"), t.At
		file := fileBody{
			Filename: id + ".csv", Purpose: purposeReport, Type: "csv", ContentType: "text/csv",
			Size: int64(len(data)), Data: base64.StdEncoding.EncodeToString(data),
		}
		if err := t.InsertResource(newRow(t, kindFile, b.File, "", encodeBody(file), resource.Key{Name: "purpose", Value: purposeReport})); err != nil {
			return err
		}
	}
	row.Body = encodeBody(b)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	return a.emit(t, message{typ: "reporting.report_run." + b.status(), render: func(v *view) (obj, obj, error) {
		o, err := v.reportRun(id)
		return o, nil, err
	}})
}

func (v *view) reportRun(id string) (obj, error) {
	return v.stored(kindReport, id, (*view).renderReport)
}

func (v *view) renderReport(row resource.Row) (obj, error) {
	b, err := decodeBody[reportBody](row)
	if err != nil {
		return nil, err
	}
	params, err := decodeObject(encodeBody(b.Params))
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "reporting.report_run", "created": row.Created.Unix(), "error": nullable(b.Error), "livemode": v.merchant.Live,
		"parameters": params, "report_type": b.Type, "result": nil, "status": b.status(), "succeeded_at": nil,
	}
	if b.File != "" {
		o["succeeded_at"] = b.Succeeded.Unix()
		o["result"], err = v.file(b.File)
	}
	return o, err
}

func retrieveReport(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		o, err := v.reportRun(c.path("report_run"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.unknown(404, kindReport, "report run", "report_run", c.path("report_run"))
		}
		return o, err
	})
}

func listReports(c *call) (obj, error) {
	return c.page(kindReport, "report run", "", "", (*view).renderReport)
}

// renderReportType tells what a type offers now: data up to this second.
func (v *view) renderReportType(typ reportType) obj {
	version, _ := strconv.Atoi(typ.id[strings.LastIndexByte(typ.id, '.')+1:])
	o := obj{
		"id": typ.id, "object": "reporting.report_type", "data_available_end": v.now().Unix(), "data_available_start": reportsFrom,
		"default_columns": nil, "livemode": v.merchant.Live, "name": typ.name, "updated": v.now().Unix(), "version": version,
	}
	if typ.columns != nil {
		o["default_columns"] = typ.defaults
	}
	return o
}

func retrieveReportType(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		typ, ok := reportTypeOf(c.path("report_type"))
		if !ok {
			return nil, noSuch(404, "report type", "report_type", c.path("report_type"))
		}
		return v.renderReportType(typ), nil
	})
}

func listReportTypes(c *call) (obj, error) {
	data := []any{}
	err := c.view(func(v *view) error {
		for _, typ := range reportTypes {
			data = append(data, v.renderReportType(typ))
		}
		return nil
	})
	path := c.request.URL.Path
	return obj{"object": "list", "data": data, "has_more": false, "url": path}, err
}
