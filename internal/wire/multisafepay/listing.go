package multisafepay

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// Sizes of a page of transactions (reference §8.3).
const (
	pageDefault = 100
	pageMax     = 1000
)

// filter is what GET /transactions asks for.
type filter struct {
	limit         int
	before, after string // positions: older than, newer than
	from          string // not older than
	match         map[string][]string
	completed     [2]time.Time // from, until
}

// matched are the members that can be filtered by; each may be given several
// times.
var matched = []string{"site_id", "financial_status", "status", "payment_method", "type", "currency", "debit_credit"}

// decodeFilter reads the query. A cursor called after leads to older
// transactions (reference §8.3).
func decodeFilter(q url.Values) (filter, error) {
	f := filter{limit: pageDefault, before: q.Get("after"), after: q.Get("before"), match: map[string][]string{}}
	if s := q.Get("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > pageMax {
			return f, refusef(codeMissing, "limit must be 1 to %d", pageMax)
		}
		f.limit = n
	}
	for _, name := range matched {
		for _, key := range []string{name, name + "[]"} {
			for _, v := range q[key] {
				for part := range strings.SplitSeq(v, ",") {
					f.match[name] = append(f.match[name], strings.ToLower(part))
				}
			}
		}
	}
	for _, c := range []string{f.before, f.after} {
		if len(c) > id.SortLen || strings.Trim(c, letters) != "" {
			return f, refusef(codeMissing, "after and before are cursors of an earlier page")
		}
	}
	var created [2]time.Time
	for i, end := range []string{"from", "until"} {
		var err error
		if created[i], err = readTime(q.Get("created_" + end)); err != nil {
			return f, err
		}
		if f.completed[i], err = readTime(q.Get("completed_" + end)); err != nil {
			return f, err
		}
	}
	if !created[0].IsZero() {
		f.from = id.Floor(created[0])
	}
	if until := created[1]; !until.IsZero() && (f.before == "" || id.Floor(until) < f.before) {
		f.before = id.Floor(until)
	}
	return f, nil
}

// readTime reads a date, a date and time in Amsterdam, or Unix seconds.
func readTime(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 && n < 1<<40 {
		return time.Unix(n, 0).UTC(), nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime, time.DateOnly, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, s, amsterdam); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, refusef(codeMissing, "%.40q is not a date", s)
}

// listed is a transaction in a list, with what it is filtered by.
type listed struct {
	object    value.Object
	sort      string
	completed time.Time
}

func (f filter) wants(l listed) bool {
	for name, values := range f.match {
		got := l.object[name]
		text, ok := got.(string)
		if n, isInt := got.(int64); isInt {
			text, ok = strconv.FormatInt(n, 10), true
		}
		text = strings.ToLower(text)
		if !ok || !slices.ContainsFunc(values, func(v string) bool {
			return v == text || name == "status" && v == "chargeback" && text == "chargedback"
		}) {
			return false
		}
	}
	if from := f.completed[0]; !from.IsZero() && l.completed.Before(from) {
		return false
	}
	until := f.completed[1]
	return until.IsZero() || !l.completed.IsZero() && l.completed.Before(until)
}

// listTransactions answers GET /transactions.
func listTransactions(c *call) (any, error) {
	f, err := decodeFilter(c.query)
	if err != nil {
		return nil, err
	}
	var list []listed
	if err := c.view(func(v *view) error {
		list, err = v.listed(f)
		return err
	}); err != nil {
		return nil, err
	}
	data := []any{}
	for _, l := range list {
		data = append(data, l.object)
	}
	return page{data, c.pager(f, list)}, nil
}

// listed collects a page, newest first. Members that are computed cannot be an
// index; rows that do not match are read and passed over.
func (v *view) listed(f filter) ([]listed, error) {
	q := store.List{Kind: kindTransaction, Before: f.before, After: f.after, From: f.from, Limit: f.limit}
	newer := f.after != "" && f.before == "" // the page before: the oldest of those that are newer
	q.Oldest = newer
	var list []listed
	for {
		rows, err := v.Resources(q)
		if err != nil {
			return nil, err
		}
		var found []listed
		for _, row := range rows {
			l, err := v.transaction(row)
			if err != nil {
				return nil, err
			}
			if f.wants(l) {
				found = append(found, l)
			}
		}
		if newer {
			list = append(found, list...)
		} else {
			list = append(list, found...)
		}
		if len(list) >= f.limit || len(rows) < q.Limit {
			break
		}
		if newer {
			q.After = rows[0].Sort
		} else {
			q.Before = rows[len(rows)-1].Sort
		}
	}
	if newer {
		return list[max(0, len(list)-f.limit):], nil
	}
	return list[:min(f.limit, len(list))], nil
}

// pager says where the pages around this one are. A page with data always has a
// next one, which may turn out empty.
func (c *call) pager(f filter, list []listed) value.Object {
	after, before := any(nil), any(nil)
	links := value.Object{"after": nil, "before": nil}
	if len(list) > 0 {
		link := func(name, cursor string) string {
			q := url.Values{}
			for k, vs := range c.query {
				if k != "after" && k != "before" && k != "api_key" {
					q[k] = vs
				}
			}
			q.Set(name, cursor)
			return c.api.config.BaseURL + Prefix + "/transactions?" + q.Encode()
		}
		last := list[len(list)-1].sort
		after, links["after"] = last, link("after", last)
		if c.query.Get("after") != "" || c.query.Get("before") != "" {
			before, links["before"] = list[0].sort, link("before", list[0].sort)
		}
	}
	return value.Object{"after": links["after"], "before": links["before"], "cursor": value.Object{"after": after, "before": before}, "limit": f.limit}
}

// transaction is an item of GET /transactions.
func (v *view) transaction(row resource.Row) (listed, error) {
	tx, err := resource.Decode[transaction](row)
	if err != nil {
		return listed{}, err
	}
	orderRow, err := v.Resource(kindOrder, tx.Order)
	if err != nil {
		return listed{}, err
	}
	o, err := orderOf(orderRow)
	if err != nil {
		return listed{}, err
	}
	_, site := idNumbers(v.merchant)
	out := value.Object{
		"amount": tx.Amount, "completed": nil, "created": stamp(row.Created), "currency": tx.Currency,
		"customer":     value.Object{"email": nullable(o.Email), "first_name": nullable(o.Customer.FirstName), "iban": nullable(tx.Account), "last_name": nullable(o.Customer.LastName)},
		"debit_credit": "C", "description": tx.Description, "invoice_id": nullable(o.Shipment["invoice_id"]), "order_id": tx.OrderID,
		"payment_method": tx.Gateway, "site_id": site, "transaction_id": number(row.ID), "type": tx.Type, "updated": stamp(tx.Modified),
		"var1": nullable(tx.Vars[0]), "var2": nullable(tx.Vars[1]), "var3": nullable(tx.Vars[2]),
	}
	if !tx.Completed.IsZero() {
		out["completed"] = stamp(tx.Completed)
	}
	costs, net := []any{}, tx.Amount-tx.Fee
	if tx.Fee > 0 {
		costs = append(costs, value.Object{"amount": tx.Fee, "description": "Transaction fee", "dst": "site"})
	}
	for _, s := range tx.Shares {
		costs = append(costs, value.Object{"amount": s.Amount, "description": s.Description, "dst": strconv.FormatInt(s.Merchant, 10)})
		net -= s.Amount
	}
	out["costs"], out["net"] = costs, net
	if tx.Type == txRefund || tx.Type == txDispute || tx.Type == txRelease {
		out["debit_credit"] = "D"
	}
	out["status"], out["financial_status"], err = v.transactionStatuses(row, tx)
	return listed{out, row.Sort, tx.Completed}, err
}

// transactionStatuses computes the statuses of any transaction.
func (v *view) transactionStatuses(row resource.Row, tx transaction) (status, financial string, err error) {
	if tx.Type != txPayment {
		status, err = v.childStatus(tx)
		return status, status, err
	}
	p, err := v.Payment(row.Payment)
	if err != nil {
		return "", "", err
	}
	f, err := v.paymentFacts(facts{}, tx, p)
	if err != nil {
		return "", "", err
	}
	status, financial = project(f)
	return status, financial, nil
}

// retrieveTransaction answers GET /transactions/{id}.
func retrieveTransaction(c *call) (any, error) {
	var l listed
	err := c.view(func(v *view) error {
		row, err := v.Resource(kindTransaction, c.path["transaction"])
		if err == nil {
			l, err = v.transaction(row)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, &wireError{status: http.StatusNotFound, code: codePath, text: "Not found", bare: true}
	}
	return l.object, err
}

// listOrderTransactions answers GET /orders/{id}/transactions, which old clients
// call.
func listOrderTransactions(c *call) (any, error) {
	data := []any{}
	err := c.view(func(v *view) error {
		_, o, err := v.orderRow(c.path["order"])
		if err != nil {
			return err
		}
		rows, err := v.Resources(store.List{Kind: kindTransaction, Key: "order_id", Value: o.OrderID, Limit: pageDefault})
		if err != nil {
			return err
		}
		for _, row := range rows {
			l, err := v.transaction(row)
			if err != nil {
				return err
			}
			data = append(data, l.object)
		}
		return nil
	})
	return data, err
}
