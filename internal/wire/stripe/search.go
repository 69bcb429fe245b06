package stripe

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/search"
)

// Bounds of a search.
const (
	searchScanMax  = 10_000  // rows one request looks at for a page
	searchCountMax = 10_000  // matches that total_count counts
	countScanMax   = 100_000 // rows it looks at for that
)

// searchable is a kind of object that can be searched.
type searchable struct {
	kind, plural string
	fields       search.Fields
	index        map[string]string // field → name of the key that holds its value
	render       func(v *view, r resource.Row) (obj, error)
}

var searchCharges = searchable{
	kind: kindCharge, plural: "charges",
	fields: search.Fields{
		"amount": search.Number, "billing_details.address.postal_code": search.Token, "created": search.Number, "currency": search.Token,
		"customer": search.Token, "disputed": search.Token, "metadata": search.Token, "refunded": search.Token, "status": search.Text,
		"payment_method_details.*.last4": search.Token, "payment_method_details.*.exp_month": search.Token,
		"payment_method_details.*.exp_year": search.Token, "payment_method_details.*.brand": search.Token,
		"payment_method_details.*.fingerprint": search.Token,
	},
	index:  map[string]string{"customer": "customer"},
	render: (*view).chargeOf,
}

var searchCustomers = searchable{
	kind: kindCustomer, plural: "customers",
	fields: search.Fields{
		"created": search.Number, "email": search.Text, "metadata": search.Token, "name": search.Text, "phone": search.Text,
	},
	index:  map[string]string{"email": "email.folded"},
	render: (*view).renderCustomer,
}

// byMetadata are keys by which a search finds rows with their metadata.
func byMetadata(md map[string]string) (keys []resource.Key) {
	if len(md) == 0 {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(md)) {
		keys = append(keys, resource.Key{Name: "metadata." + k, Value: search.Fold(md[k])})
	}
	return keys
}

// keys are those every match has.
func (s searchable) keys(q search.Query) (keys []resource.Key) {
	if k, text, ok := q.Equal(search.Metadata); ok {
		keys = append(keys, resource.Key{Name: "metadata." + k, Value: search.Fold(text)})
	}
	for _, field := range slices.Sorted(maps.Keys(s.index)) {
		if _, text, ok := q.Equal(field); ok {
			name := s.index[field]
			if strings.HasSuffix(name, ".folded") {
				text = search.Fold(text)
			}
			keys = append(keys, resource.Key{Name: name, Value: text})
		}
	}
	return keys
}

// fieldOf is what a rendered object holds in a field of a query.
func fieldOf(o obj) func(field, key string) any {
	return func(field, key string) any {
		if field == search.Metadata {
			md, _ := o["metadata"].(map[string]string)
			if s, ok := md[key]; ok {
				return s
			}
			return nil
		}
		var at any = o
		for name := range strings.SplitSeq(field, ".") {
			in, ok := at.(obj)
			if !ok {
				return nil
			}
			at = in[name]
		}
		return at
	}
}

// search answers a search request (stripe-platform §7.2). Objects are found at
// once, as no index lags behind.
func (c *call) search(s searchable) (obj, error) {
	if !since(c.version, versionSearch) {
		return nil, &wireError{status: 404, message: fmt.Sprintf("Search is not supported on api version %s. Update your API version, or set the API Version of this request to %s or greater.", c.version, versionSearch)}
	}
	text, err := must(c.params.Get("query"), "query", 0)
	if err != nil {
		return nil, err
	}
	q, err := search.Parse(text, s.fields)
	if e, ok := errors.AsType[*search.Error](err); ok {
		if e.Field != "" {
			return nil, invalid("", "query", "Field `%s` is an unsupported search field for resource `%s`. See http://stripe.com/docs/search#query-fields-for-%s for a list of supported fields.", e.Field, s.plural, s.plural)
		}
		return nil, invalid("", "query", "%s", e.Message)
	}
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	from, to := createdIn(q).sorts()
	w := store.List{Kind: s.kind, And: s.keys(q), From: from, Before: to, Limit: pageMax}
	h := hunt{searchable: s, query: q, text: text}
	path := c.request.URL.Path
	out := obj{"object": "search_result", "url": path, "next_page": nil}
	return out, c.view(func(v *view) error {
		if c.totalCount {
			found, _, err := h.run(v, w, searchCountMax, countScanMax)
			if err != nil {
				return err
			}
			out["total_count"] = len(found)
		}
		token, err := c.searchPage(h)
		if err != nil {
			return err
		}
		if token != "" {
			w.Before = lower(w.Before, token)
		}
		found, last, err := h.run(v, w, l.limit+1, searchScanMax)
		if err != nil {
			return err
		}
		if len(found) > l.limit {
			found = found[:l.limit]
			last = found[l.limit-1].row.Sort
		}
		data := make([]any, 0, len(found))
		for _, f := range found {
			data = append(data, f.obj)
		}
		out["data"], out["has_more"] = data, last != ""
		if last != "" {
			out["next_page"] = h.token(last)
		}
		return c.expandAll(v, data...)
	})
}

// createdIn is the period every match was created in.
func createdIn(q search.Query) period {
	from, to := q.Between("created", 0, timeMax)
	return period{from, to}
}

// hunt is one search.
type hunt struct {
	searchable
	query search.Query
	text  string
}

type match struct {
	row resource.Row
	obj obj
}

// run looks at rows, newest first, for the wanted number of matches. last is the
// place to go on from, "" when there is nothing more to look at.
func (h hunt) run(v *view, w store.List, wanted, scan int) (found []match, last string, err error) {
	for looked := 0; ; {
		rows, err := v.Resources(w)
		if err != nil {
			return nil, "", err
		}
		for _, r := range rows {
			o, err := h.render(v, r)
			if err != nil {
				return nil, "", err
			}
			last = r.Sort
			if h.query.Match(fieldOf(o)) {
				if found = append(found, match{r, o}); len(found) == wanted {
					return found, last, nil
				}
			}
		}
		if len(rows) < w.Limit {
			return found, "", nil
		}
		if looked += len(rows); looked >= scan {
			return found, last, nil
		}
		w.Before = last
	}
}

// seal ties a page's token to its query.
func (h hunt) seal() string {
	sum := sha256.Sum256([]byte(h.kind + "\x00" + h.text))
	return string(sum[:6])
}

func (h hunt) token(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(h.seal() + last))
}

// searchPage reads the page parameter: the place to go on from.
func (c *call) searchPage(h hunt) (string, error) {
	s, _, err := text(c.params.Get("page"), "page", 0)
	if err != nil || s == "" {
		return "", err
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	last, sealed := strings.CutPrefix(string(b), h.seal())
	last, ours := id.Sort("p_1" + last)
	if err != nil || !sealed || !ours {
		return "", invalid("", "page", "Invalid page: it is not a next_page of this search. Leave page out to begin, and send the same query with each page.")
	}
	return last, nil
}
