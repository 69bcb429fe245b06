package stripe

import (
	"errors"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// Bounds of a page (stripe-platform §7.1).
const (
	pageDefault = 10
	pageMax     = 100
)

// listing is a decoded list request.
type listing struct {
	limit         int
	after, before string // ids
	from, to      string // Sort bounds made of created: from inclusive, to exclusive
}

func (c *call) listing() (listing, error) {
	l := listing{limit: pageDefault}
	n, ok, err := integer(c.params.Get("limit"), "limit")
	if err != nil {
		return l, err
	}
	if ok {
		l.limit = int(min(max(n, 1), pageMax))
	}
	if l.after, _, err = text(c.params.Get("starting_after"), "starting_after", 0); err != nil {
		return l, err
	}
	if l.before, _, err = text(c.params.Get("ending_before"), "ending_before", 0); err != nil {
		return l, err
	}
	return l, l.created(c.params.Get("created"))
}

// created turns a time filter into bounds of the list's own index.
func (l *listing) created(v form.Value) error {
	span, set, err := times(v, "created")
	if err != nil || !set {
		return err
	}
	l.from, l.to = span.sorts()
	return nil
}

// period is a range of instants in Unix seconds, both ends in it.
type period struct{ from, to int64 }

// timeMax is the last second ids can hold, in the year 2081. Filters beyond it
// hold for every row there can be.
const timeMax = int64(3_521_614_605)

// times reads a filter on an instant: an exact second or bounds.
func times(v form.Value, name string) (p period, set bool, err error) {
	p = period{0, timeMax}
	switch v.Kind() {
	case form.Missing:
		return p, false, nil
	case form.Scalar:
		n, _, err := integer(v, name)
		return period{n, n}, true, err
	}
	h, _, err := hash(v, name)
	if err != nil {
		return p, false, err
	}
	if err := members(h, name, "gt", "gte", "lt", "lte"); err != nil {
		return p, false, err
	}
	for k := range h.Keys() {
		n, _, err := integer(h.Get(k), name+"["+k+"]")
		if err != nil {
			return p, false, err
		}
		switch k {
		case "gt":
			p.from = max(p.from, n+1)
		case "gte":
			p.from = max(p.from, n)
		case "lt":
			p.to = min(p.to, n-1)
		case "lte":
			p.to = min(p.to, n)
		}
	}
	return p, true, nil
}

func (p period) has(at time.Time) bool { return p.from <= at.Unix() && at.Unix() <= p.to }

// sorts are the bounds of the Sort of rows created in the period: the first
// inclusive, the second exclusive.
func (p period) sorts() (from, to string) {
	second := func(n int64) string { return id.Floor(time.Unix(min(max(n, 0), timeMax), 0)) }
	from = second(p.from)
	switch {
	case p.to < p.from:
		return from, from
	case p.to >= timeMax:
		return from, ""
	}
	return from, second(p.to + 1)
}

// lower is the lower of two upper bounds, of which "" is none.
func lower(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// query is what a list endpoint asks for beside its page.
type query struct {
	kind, label string                                     // label is how the error about an unknown cursor calls the object
	keys        []resource.Key                             // rows must have all of them; the most selective one first
	from, to    string                                     // further Sort bounds: from inclusive, to exclusive
	keep        func(v *view, r resource.Row) bool         // what no index knows
	render      func(v *view, r resource.Row) (obj, error) // the same for all lists of the kind, and of nothing but its arguments
}

// page reads one page of the rows with a key, or of all if key is "".
func (c *call) page(kind, label, key, value string, render func(v *view, r resource.Row) (obj, error)) (obj, error) {
	return c.filtered(kind, label, key, value, nil, render)
}

// filtered is page with a predicate the index does not know.
func (c *call) filtered(kind, label, key, value string, keep func(v *view, r resource.Row) bool, render func(v *view, r resource.Row) (obj, error)) (obj, error) {
	q := query{kind: kind, label: label, keep: keep, render: render}
	if key != "" {
		q.keys = []resource.Key{{Name: key, Value: value}}
	}
	return c.list(q)
}

// equals reads filters that are exact matches and returns a key for each one
// that was given, in order: the most selective first.
func (c *call) equals(names ...string) ([]resource.Key, error) {
	var keys []resource.Key
	for _, name := range names {
		s, _, err := text(c.params.Get(name), name, 0)
		if err != nil {
			return nil, err
		}
		if s != "" {
			keys = append(keys, resource.Key{Name: name, Value: s})
		}
	}
	return keys, nil
}

var errBothCursors = invalid("", "", "Received both starting_after and ending_before parameters. Please pass in only one.")

// list reads and renders a page.
func (c *call) list(q query) (obj, error) {
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	path := c.request.URL.Path
	out := obj{"object": "list", "url": path}
	return out, c.view(func(v *view) error {
		w := store.List{Kind: q.kind, And: q.keys, From: max(l.from, q.from, v.oldest(q.kind)), Before: lower(l.to, q.to), Limit: l.limit + 1}
		counted := !since(c.version, versionNoCount)
		if c.totalCount || counted {
			n, err := count(v, w, q.keep)
			if err != nil {
				return err
			}
			if c.totalCount {
				out["total_count"] = n
			}
			if counted {
				out["count"] = n
			}
		}
		if err := c.filtersExist(v, q.keys); err != nil {
			return err
		}
		if err := l.place(v, q, &w); err != nil {
			return err
		}
		rows, err := collect(v, w, q.keep)
		if err != nil {
			return err
		}
		more := len(rows) > l.limit
		if more && w.Oldest {
			rows = rows[len(rows)-l.limit:]
		} else if more {
			rows = rows[:l.limit]
		}
		out["has_more"] = more
		out["data"], err = c.objects(v, q, rows)
		return err
	})
}

// filterKinds are the filters that name an object: its kind, and what errors call it.
var filterKinds = map[string]struct{ kind, label string }{
	"charge": {kindCharge, "charge"}, "customer": {kindCustomer, "customer"}, "file": {kindFile, "file upload"},
	"payment_intent": {kindIntent, "payment_intent"}, "payment_method": {kindPaymentMethod, "PaymentMethod"}, "test_clock": {kindClock, "test clock"},
}

// filtersExist refuses filters that name objects there are not, nor were
// (stripe-platform §3.5, an id in a parameter).
func (c *call) filtersExist(v *view, keys []resource.Key) error {
	for _, k := range keys {
		f, ok := filterKinds[k.Name]
		if !ok {
			continue
		}
		_, err := v.Resource(f.kind, k.Value)
		if errors.Is(err, store.ErrNotFound) {
			_, err = v.Resource(deletedKind(f.kind), k.Value)
		}
		if errors.Is(err, store.ErrNotFound) {
			return c.unknown(400, f.kind, f.label, k.Name, k.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// objects renders the rows of a page.
func (c *call) objects(v *view, q query, rows []resource.Row) ([]any, error) {
	if len(c.expand) == 0 {
		return c.api.rendered.page(v, rows, q.render)
	}
	data := make([]any, 0, len(rows))
	for _, r := range rows {
		o, err := q.render(v, r)
		if err != nil {
			return nil, err
		}
		data = append(data, o)
	}
	return data, c.expandAll(v, data...)
}

// place moves a window to a cursor. That a cursor exists is checked before that
// there is only one (stripe-platform §7.1).
func (l listing) place(v *view, q query, w *store.List) error {
	after, err := cursor(v, q, "starting_after", l.after)
	if err != nil {
		return err
	}
	before, err := cursor(v, q, "ending_before", l.before)
	if err != nil {
		return err
	}
	switch {
	case after != "" && before != "":
		return errBothCursors
	case after != "":
		w.Before = lower(w.Before, after)
	case before != "":
		w.After, w.Oldest = before, true
	}
	return nil
}

// cursor finds the place of the object a cursor names. The place of one that
// was deleted meanwhile is still known.
func cursor(v *view, q query, param, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	for _, kind := range []string{q.kind, deletedKind(q.kind)} {
		row, err := v.Resource(kind, id)
		if err == nil {
			return row.Sort, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return "", err
		}
	}
	return "", noSuch(400, q.label, param, id)
}

// deletedKind is where objects of a kind that were deleted go on being known: a
// page can begin after one, and some can still be retrieved.
func deletedKind(kind string) string { return kind + ".deleted" }

// hold writes a row as it is, so that transactions take turns that hang something
// on it, count what hangs on it, or delete it with what does: of two at once, the
// second one runs again and sees what the first one did.
func hold(t *engine.Tx, row resource.Row) error { return t.UpdateResource(row) }

// bury deletes a row and remembers its place.
func bury(t *engine.Tx, row resource.Row) error {
	if err := t.DeleteResource(row.Kind, row.ID); err != nil {
		return err
	}
	row.Kind, row.Payment, row.Body, row.Keys = deletedKind(row.Kind), "", []byte("{}"), nil
	return t.InsertResource(row)
}

// count is how many rows a list has on all its pages.
func count(v *view, w store.List, keep func(v *view, r resource.Row) bool) (int64, error) {
	if keep == nil {
		return v.CountResources(w)
	}
	var n int64
	for w.Limit = pageMax; ; {
		rows, err := v.Resources(w)
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			if keep(v, r) {
				n++
			}
		}
		if len(rows) < w.Limit {
			return n, nil
		}
		w.Before = rows[len(rows)-1].Sort
	}
}

// collect reads until the page is full of rows that keep accepts.
func collect(v *view, q store.List, keep func(v *view, r resource.Row) bool) ([]resource.Row, error) {
	var out []resource.Row
	want := q.Limit
	if keep != nil {
		q.Limit = max(q.Limit, pageMax)
	}
	for {
		rows, err := v.Resources(q)
		if err != nil || keep == nil {
			return rows, err
		}
		var hits []resource.Row
		for _, r := range rows {
			if keep(v, r) {
				hits = append(hits, r)
			}
		}
		if q.Oldest {
			out = append(hits, out...)
		} else {
			out = append(out, hits...)
		}
		if len(out) >= want || len(rows) < q.Limit {
			break
		}
		if q.Oldest {
			q.After = rows[0].Sort
		} else {
			q.Before = rows[len(rows)-1].Sort
		}
	}
	if len(out) > want {
		if q.Oldest {
			out = out[len(out)-want:]
		} else {
			out = out[:want]
		}
	}
	return out, nil
}
