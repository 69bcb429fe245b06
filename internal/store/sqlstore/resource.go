package sqlstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const resourceColumns = `r.kind, r.id, r.sort, r.payment, r.created, r.version, r.keys, r.body`

func scanResource(r Rows) (row resource.Row, err error) {
	var created int64
	var keys string
	if err := r.Scan(&row.Kind, &row.ID, &row.Sort, &row.Payment, &created, &row.Version, &keys, &row.Body); err != nil {
		return row, err
	}
	row.Created = fromMilli(created)
	if row.Keys, err = decodeKeys(keys); err != nil {
		return row, fmt.Errorf("%s %s: keys: %w", row.Kind, row.ID, err)
	}
	return row, nil
}

// decodeKeys reads what encodeKeys wrote. Every row that is read comes by here: where
// nothing had to be escaped, the quotes are those around names and values.
func decodeKeys(stored string) (keys []resource.Key, err error) {
	const name, value = `{"Name":"`, `","Value":"`
	if stored == "" {
		return nil, nil
	}
	if strings.IndexByte(stored, '\\') >= 0 {
		err = json.Unmarshal([]byte(stored), &keys)
		return keys, err
	}
	keys = make([]resource.Key, 0, strings.Count(stored, value))
	for range cap(keys) {
		var k resource.Key
		stored = stored[1+len(name):] // past the bracket or the comma before it
		k.Name, stored, _ = strings.Cut(stored, `"`)
		k.Value, stored, _ = strings.Cut(stored[len(value)-1:], `"`)
		stored = stored[1:] // past the brace
		keys = append(keys, k)
	}
	return keys, nil
}

func encodeKeys(keys []resource.Key) (string, error) {
	if len(keys) == 0 {
		return "", nil
	}
	b, err := json.Marshal(keys)
	return string(b), err
}

// sortOf reports whether a row's place follows from its id, so that it needs no
// entry in resource_id.
func sortOf(r resource.Row) bool {
	s, ok := placeOf(r.ID)
	return ok && s == r.Sort
}

// placeOf is the Sort that follows from an id, if one does.
func placeOf(name string) (string, bool) {
	if s, ok := id.Sort(name); ok {
		return s, true
	}
	return id.SortNumber(name)
}

// Resource implements store.Reader.
func (t *Tx) Resource(kind, name string) (resource.Row, error) {
	if s, ok := placeOf(name); ok {
		row, err := one(t, scanResource, `select `+resourceColumns+` from resource r
where r.merchant = $1 and r.kind = $2 and r.sort = $3 and r.id = $4`, t.merchant, kind, s, name)
		if !errors.Is(err, store.ErrNotFound) {
			return row, err
		}
	}
	return one(t, scanResource, `select `+resourceColumns+` from resource_id i
join resource r on r.merchant = i.merchant and r.kind = i.kind and r.sort = i.sort
where i.merchant = $1 and i.kind = $2 and i.id = $3`, t.merchant, kind, name)
}

// namesAtOnce is how many things one statement asks for by name. It always asks for
// as many, so that there is one statement to prepare.
const namesAtOnce = 10

var (
	selectResourceVersions = `select id, version from resource where merchant = $1 and kind = $2 and sort in ` + places(3)
	selectPaymentVersions  = `select id, version from payment where merchant = $1 and id in ` + places(2)
)

// places is a list of namesAtOnce places for arguments.
func places(first int) string {
	list := make([]string, namesAtOnce)
	for i := range list {
		list[i] = fmt.Sprintf("$%d", first+i)
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// ResourceVersions implements store.Reader.
func (t *Tx) ResourceVersions(kind string, ids []string) (map[string]int64, error) {
	sorts := make([]string, 0, len(ids))
	for _, name := range ids {
		if s, ok := id.Sort(name); ok {
			sorts = append(sorts, s)
		}
	}
	return t.versions(selectResourceVersions, []any{t.merchant, kind}, sorts)
}

// versions runs a statement that selects versions, with names as its last arguments.
func (t *Tx) versions(sql string, args []any, names []string) (map[string]int64, error) {
	versions := make(map[string]int64, len(names))
	scan := func(r Rows) (_ struct{}, err error) {
		var id string
		var n int64
		err = r.Scan(&id, &n)
		versions[id] = n
		return struct{}{}, err
	}
	for some := range slices.Chunk(names, namesAtOnce) {
		if _, err := many(t, scan, sql, named(args, some)...); err != nil {
			return nil, err
		}
	}
	return versions, nil
}

// named adds names to the arguments of a statement with places, the last one as
// often as there are places left.
func named(args []any, names []string) []any {
	all := slices.Clone(args)
	for i := range namesAtOnce {
		all = append(all, names[min(i, len(names)-1)])
	}
	return all
}

// ResourceBy implements store.Reader.
func (t *Tx) ResourceBy(kind, key, value string) (resource.Row, error) {
	rows, err := t.Resources(store.List{Kind: kind, Key: key, Value: value, Limit: 1})
	if err != nil {
		return resource.Row{}, err
	}
	if len(rows) == 0 {
		return resource.Row{}, store.ErrNotFound
	}
	return rows[0], nil
}

// Resources implements store.Reader.
func (t *Tx) Resources(q store.List) ([]resource.Row, error) {
	sql, args := t.list(q)
	rows, err := many(t, scanResource, sql, args...)
	if q.Oldest {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	return rows, err
}

// Few implements store.Reader.
func (t *Tx) Few(kind string) ([]resource.Row, error) {
	if t.err != nil {
		return nil, t.err
	}
	if rows, ok := t.conn.Memory().rows(t.merchant, kind); ok {
		return rows, nil
	}
	rows, err := t.Resources(store.List{Kind: kind, Limit: store.FewMax})
	if err == nil {
		t.conn.Memory().keepRows(t.merchant, kind, rows)
	}
	return rows, err
}

// last sorts after every Sort.
const last = "\U0010FFFF"

// CountResources implements store.Reader.
func (t *Tx) CountResources(q store.List) (int64, error) {
	from, args := t.window(q, false)
	return one(t, func(r Rows) (n int64, err error) { return n, r.Scan(&n) }, `select count(*)`+from, args...)
}

// list builds the query of a page.
func (t *Tx) list(q store.List) (sql string, args []any) {
	from, args := t.window(q, true)
	order := " desc"
	if q.Oldest {
		order = ""
	}
	args = append(args, int64(max(q.Limit, 0)))
	// SQLite looks at the value of a limit that is a bare parameter when it plans,
	// and so plans the statement anew for every value that is bound. That costs more
	// than the query: limits are sums here and in all statements of this package.
	limit := fmt.Sprintf(" limit $%d + 0", len(args))
	if q.Key == "" && len(q.And) == 0 {
		return `select ` + resourceColumns + from + ` order by r.sort` + order + limit, args
	}
	return `select ` + resourceColumns + from + ` order by k.sort` + order + limit, args
}

// window builds the from clause of a list, which is a range of one index, with
// the rows themselves if they are wanted.
func (t *Tx) window(q store.List, wanted bool) (sql string, args []any) {
	low, above := q.After, " > $3"
	if q.From > q.After {
		low, above = q.From, " >= $3"
	}
	high := q.Before
	if high == "" {
		high = last
	}
	args = []any{t.merchant, q.Kind, low, high}
	keys := q.And
	if q.Key != "" {
		keys = slices.Concat([]resource.Key{{Name: q.Key, Value: q.Value}}, q.And)
	}
	if len(keys) == 0 {
		return ` from resource r where r.merchant = $1 and r.kind = $2 and r.sort` + above + ` and r.sort < $4`, args
	}
	sql = ` from resource_key k`
	if wanted {
		sql += `
join resource r on r.merchant = k.merchant and r.kind = k.kind and r.sort = k.sort`
	}
	sql += `
where k.merchant = $1 and k.kind = $2 and k.name = $5 and k.value = $6 and k.sort` + above + ` and k.sort < $4`
	args = append(args, keys[0].Name, keys[0].Value)
	for _, k := range keys[1:] {
		sql += fmt.Sprintf(` and exists (select 1 from resource_key o where o.merchant = $1 and o.kind = $2
and o.name = $%d and o.value = $%d and o.sort = k.sort)`, len(args)+1, len(args)+2)
		args = append(args, k.Name, k.Value)
	}
	return sql, args
}

// InsertResource implements store.Tx.
func (t *Tx) InsertResource(r resource.Row) error {
	t.conn.Memory().rowsChanged(t.merchant, r.Kind)
	keys, err := encodeKeys(r.Keys)
	if err != nil {
		return t.fail(err)
	}
	left := make([]resource.Key, 0, len(r.Keys))
	for _, k := range r.Keys {
		if k.Name != r.First {
			left = append(left, k)
		} else if err := t.insertFirstKey(r, k); err != nil {
			return err // before anything was written
		}
	}
	err = t.exec(`insert into resource (merchant, kind, sort, id, payment, version, created, keys, body) values ($1, $2, $3, $4, $5, 1, $6, $7, $8)`,
		t.merchant, r.Kind, r.Sort, r.ID, r.Payment, toMilli(r.Created), keys, r.Body)
	if err != nil {
		return err
	}
	if !sortOf(r) {
		err := t.exec(`insert into resource_id (merchant, kind, id, sort) values ($1, $2, $3, $4)`, t.merchant, r.Kind, r.ID, r.Sort)
		if err != nil {
			return err
		}
	}
	return t.insertKeys(r, left)
}

// insertFirstKey inserts a key that no other row has: beside one that has, it would
// stand in that one's place, where it is not inserted. (SQLite copies what it selects
// from the table it inserts into, which costs more than the rest of the statement.)
func (t *Tx) insertFirstKey(r resource.Row, k resource.Key) error {
	return t.execOne(`insert into resource_key (merchant, kind, name, value, sort) values ($1, $2, $4, $5, coalesce(
	(select k.sort from resource_key k where k.merchant = $1 and k.kind = $2 and k.name = $4 and k.value = $5 limit 1), $3))
on conflict (merchant, kind, name, value, sort) do nothing`, t.merchant, r.Kind, r.Sort, k.Name, k.Value)
}

// keysAtOnce is how many keys go into one statement.
const keysAtOnce = 8

// insertKeys are the statements that insert keys, by how many.
var insertKeys = func() (texts [keysAtOnce + 1]string) {
	var values []string
	for n := 1; n <= keysAtOnce; n++ {
		values = append(values, fmt.Sprintf("($1, $2, $%d, $%d, $3)", 2*n+2, 2*n+3))
		texts[n] = `insert into resource_key (merchant, kind, name, value, sort) values ` + strings.Join(values, ", ") + `
on conflict (merchant, kind, name, value, sort) do nothing`
	}
	return texts
}()

func (t *Tx) insertKeys(r resource.Row, keys []resource.Key) error {
	for some := range slices.Chunk(keys, keysAtOnce) {
		args := make([]any, 0, 3+2*len(some))
		args = append(args, t.merchant, r.Kind, r.Sort)
		for _, k := range some {
			args = append(args, k.Name, k.Value)
		}
		if err := t.exec(insertKeys[len(some)], args...); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) deleteKeys(r resource.Row, keys []resource.Key) error {
	for _, k := range keys {
		if err := t.exec(`delete from resource_key where merchant = $1 and kind = $2 and name = $3 and value = $4 and sort = $5`,
			t.merchant, r.Kind, k.Name, k.Value, r.Sort); err != nil {
			return err
		}
	}
	return nil
}

// resourceLock names a resource for LockResource: kind and sort, with a slash
// between them, which no kind has.
func resourceLock(r resource.Row) string { return r.Kind + "/" + r.Sort }

// UpdateResource implements store.Tx.
func (t *Tx) UpdateResource(r resource.Row) error {
	if err := t.lock(LockResource, resourceLock(r)); err != nil {
		return err
	}
	t.conn.Memory().rowsChanged(t.merchant, r.Kind)
	return t.execOne(`update resource set payment = $6, body = $7, version = version + 1
where merchant = $1 and kind = $2 and sort = $3 and id = $4 and version = $5`,
		t.merchant, r.Kind, r.Sort, r.ID, r.Version, r.Payment, r.Body)
}

// RekeyResource implements store.Tx.
func (t *Tx) RekeyResource(r resource.Row, keys []resource.Key) error {
	t.conn.Memory().rowsChanged(t.merchant, r.Kind)
	stored, err := encodeKeys(keys)
	if err != nil {
		return t.fail(err)
	}
	if err := t.lock(LockResource, resourceLock(r)); err != nil {
		return err
	}
	if err := t.execOne(`update resource set payment = $6, body = $7, keys = $8, version = version + 1
where merchant = $1 and kind = $2 and sort = $3 and id = $4 and version = $5`,
		t.merchant, r.Kind, r.Sort, r.ID, r.Version, r.Payment, r.Body, stored); err != nil {
		return err
	}
	if err := t.deleteKeys(r, without(r.Keys, keys)); err != nil {
		return err
	}
	return t.insertKeys(r, without(keys, r.Keys))
}

// without returns the keys that are not among others.
func without(keys, others []resource.Key) (left []resource.Key) {
	for _, k := range keys {
		if !slices.Contains(others, k) {
			left = append(left, k)
		}
	}
	return left
}

// DeleteResource implements store.Tx. Deleting what is not there does nothing.
func (t *Tx) DeleteResource(kind, name string) error {
	t.conn.Memory().rowsChanged(t.merchant, kind)
	r, err := t.Resource(kind, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := t.lock(LockResource, resourceLock(r)); err != nil {
		return err
	}
	if err := t.deleteKeys(r, r.Keys); err != nil {
		return err
	}
	if err := t.exec(`delete from resource_id where merchant = $1 and kind = $2 and id = $3`, t.merchant, kind, name); err != nil {
		return err
	}
	return t.exec(`delete from resource where merchant = $1 and kind = $2 and sort = $3`, t.merchant, kind, r.Sort)
}
