package stripe

import (
	"errors"
	"time"

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
	if l.after != "" && l.before != "" {
		return l, invalid("", "", "Received both starting_after and ending_before parameters. Please pass in only one.")
	}
	return l, l.created(c.params.Get("created"))
}

// created turns a time filter into bounds of the list's own index.
func (l *listing) created(v form.Value) error {
	if v.Kind() == form.Missing {
		return nil
	}
	second := func(n int64) string { return id.Floor(time.Unix(n, 0)) }
	if v.Kind() == form.Scalar {
		n, _, err := integer(v, "created")
		l.from, l.to = second(n), second(n+1)
		return err
	}
	h, _, err := hash(v, "created")
	if err != nil {
		return err
	}
	if err := members(h, "created", "gt", "gte", "lt", "lte"); err != nil {
		return err
	}
	for _, k := range h.Keys() {
		n, _, err := integer(h.Get(k), "created["+k+"]")
		if err != nil {
			return err
		}
		switch k {
		case "gt":
			l.from = max(l.from, second(n+1))
		case "gte":
			l.from = max(l.from, second(n))
		case "lt":
			l.to = lower(l.to, second(n))
		case "lte":
			l.to = lower(l.to, second(n+1))
		}
	}
	return nil
}

func lower(a, b string) string {
	if a == "" || b < a {
		return b
	}
	return a
}

// page reads one page of a kind and renders it. label is how the error about an
// unknown cursor calls the object.
func (c *call) page(kind, label, key, value string, render func(v *view, r resource.Row) (obj, error)) (obj, error) {
	return c.filtered(kind, label, key, value, nil, render)
}

// filtered is page with a predicate the index does not know.
func (c *call) filtered(kind, label, key, value string, keep func(v *view, r resource.Row) bool, render func(v *view, r resource.Row) (obj, error)) (obj, error) {
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	data := []any{}
	more := false
	err = c.view(func(v *view) error {
		q := store.List{Kind: kind, Key: key, Value: value, From: max(l.from, v.oldest(kind)), Before: l.to, Limit: l.limit + 1}
		for name, cursor := range map[string]string{"starting_after": l.after, "ending_before": l.before} {
			if cursor == "" {
				continue
			}
			row, err := v.Resource(kind, cursor)
			if errors.Is(err, store.ErrNotFound) {
				return noSuch(400, label, name, cursor)
			}
			if err != nil {
				return err
			}
			if name == "starting_after" {
				q.Before = lower(q.Before, row.Sort)
			} else {
				q.After, q.Oldest = row.Sort, true
			}
		}
		rows, err := collect(v, q, keep)
		if err != nil {
			return err
		}
		if more = len(rows) > l.limit; more {
			if q.Oldest {
				rows = rows[len(rows)-l.limit:]
			} else {
				rows = rows[:l.limit]
			}
		}
		for _, r := range rows {
			o, err := render(v, r)
			if err != nil {
				return err
			}
			data = append(data, o)
		}
		return c.expandAll(v, data...)
	})
	if err != nil {
		return nil, err
	}
	_, path, _ := cutRoute(c.route)
	return obj{"object": "list", "data": data, "has_more": more, "url": path}, nil
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
