package stripe

import (
	"bytes"
	"slices"
	"sync"

	"github.com/ducatpay/ducat/internal/resource"
)

// rendered remembers objects of lists in their final bytes, each with the
// versions of all that it was made from. Rows are read, and versions asked for, in
// the snapshot that is answered: an object is given again only if rendering it
// would come to the same, however much else was written meanwhile.
type rendered struct {
	mu      sync.RWMutex
	objects map[renderingKey]rendering
	size    int
}

// renderingKey is what was rendered, and for whom.
type renderingKey struct {
	merchant int64
	public   bool
	version  string
	kind, id string
}

// rendering is an object as it was rendered. A row with the same Sort and version
// is the same row, also where an object was deleted and another one made under its
// id.
type rendering struct {
	merchant, row int64 // versions
	sort          string
	origins       map[origin]int64 // versions of what else was read
	body          raw
}

// origin is a row, or a payment, whose kind is "".
type origin struct{ kind, id string }

func (v *view) keyOf(r resource.Row) renderingKey {
	return renderingKey{merchant: v.merchant.ID, public: v.public, version: v.version, kind: r.Kind, id: r.ID}
}

// find returns what there is for rows as they are; whether its origins are as they
// were is still to be seen.
func (m *rendered) find(v *view, rows []resource.Row) []rendering {
	found := make([]rendering, len(rows))
	m.mu.RLock()
	defer m.mu.RUnlock()
	for i, r := range rows {
		if o := m.objects[v.keyOf(r)]; o.merchant == v.merchant.Version && o.row == r.Version && o.sort == r.Sort {
			found[i] = o
		}
	}
	return found
}

func (m *rendered) keep(key renderingKey, o rendering) {
	if len(o.body) > keptAnswerMax {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.objects == nil || m.size > keptMax {
		m.objects, m.size = map[renderingKey]rendering{}, 0
	}
	m.size += len(o.body) - len(m.objects[key].body)
	m.objects[key] = o
}

// page renders the rows of a list.
func (m *rendered) page(v *view, rows []resource.Row, render func(v *view, r resource.Row) (obj, error)) ([]any, error) {
	found := m.find(v, rows)
	versions, err := v.versions(found)
	if err != nil {
		return nil, err
	}
	data := make([]any, len(rows))
	for i, r := range rows {
		o := found[i]
		if o.body == nil || !o.current(versions) {
			if o, err = m.render(v, r, render); err != nil {
				return nil, err
			}
		}
		data[i] = o.body
	}
	return data, nil
}

// listed is the depth of an object in a list.
const listed = 2

// render renders a row and remembers the outcome if it follows from versions.
func (m *rendered) render(v *view, r resource.Row, render func(v *view, r resource.Row) (obj, error)) (rendering, error) {
	w := &witness{reader: v.Reader, origins: map[origin]int64{}}
	timely := false
	watched := *v
	watched.Reader, watched.asked = w, &timely
	shown, err := render(&watched, r)
	if err != nil {
		return rendering{}, err
	}
	older(v.version, shown)
	o := rendering{
		merchant: v.merchant.Version, row: r.Version, sort: r.Sort, origins: w.origins,
		body: written(func(b []byte) []byte { return appendValue(b, shown, listed) }, bytes.Clone),
	}
	switch {
	case timely:
		v.now()
	case !w.more:
		m.keep(v.keyOf(r), o)
	}
	return o, nil
}

// current reports whether what was read has the versions it had.
func (o rendering) current(versions map[origin]int64) bool {
	for from, version := range o.origins {
		if versions[from] != version {
			return false
		}
	}
	return true
}

// versions are the present ones of what renderings were made from.
func (v *view) versions(objects []rendering) (map[origin]int64, error) {
	ids := map[string][]string{} // by kind
	for _, o := range objects {
		for from := range o.origins {
			if !slices.Contains(ids[from.kind], from.id) {
				ids[from.kind] = append(ids[from.kind], from.id)
			}
		}
	}
	versions := map[origin]int64{}
	for kind, ids := range ids {
		ask := func(ids []string) (map[string]int64, error) { return v.ResourceVersions(kind, ids) }
		if kind == "" {
			ask = v.PaymentVersions
		}
		known, err := ask(ids)
		if err != nil {
			return nil, err
		}
		for id, n := range known {
			versions[origin{kind, id}] = n
		}
	}
	return versions, nil
}
