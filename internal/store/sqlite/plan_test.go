package sqlite

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/store/sqlstore"
)

// planner answers no query; it keeps the database's plans for them.
type planner struct {
	sqlstore.Conn
	plans *[]string
}

func (p planner) Query(sql string, args ...any) (sqlstore.Rows, error) {
	if err := p.explain(sql, args...); err != nil {
		return nil, err
	}
	return p.Conn.Query(sql, args...)
}

// ExecNow keeps the plan and changes nothing.
func (p planner) ExecNow(sql string, args ...any) (int64, error) { return 0, p.explain(sql, args...) }

func (p planner) explain(sql string, args ...any) error {
	r, err := p.Conn.Query("explain query plan "+sql, args...)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		var id, parent, unused int64
		var detail string
		if err := r.Scan(&id, &parent, &unused, &detail); err != nil {
			return err
		}
		*p.plans = append(*p.plans, detail)
	}
	return r.Err()
}

type planning struct {
	*engine
	plans *[]string
}

func (e planning) Read(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	return e.engine.Read(ctx, func(c sqlstore.Conn) error { return fn(planner{c, e.plans}) })
}

func (e planning) Write(ctx context.Context, fn func(c sqlstore.Conn) error) error {
	return e.engine.Write(ctx, func(c sqlstore.Conn) error { return fn(planner{c, e.plans}) })
}

// TestPrunePlan keeps the deletion of old answers from looking at young ones.
func TestPrunePlan(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	var plans []string
	st := sqlstore.New(planning{s.engine, &plans}, dialect)
	if _, err := st.PruneAnswers(t.Context(), time.UnixMilli(1), 10); err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(plans, "\n")
	if !strings.Contains(plan, "answer_created (created<?)") || !strings.Contains(plan, "PRIMARY KEY (merchant=? AND key=?)") || strings.Contains(plan, "SCAN") {
		t.Error(plan)
	}
}

// TestWaitingPlan keeps looking for waiting jobs from reading more than an index.
func TestWaitingPlan(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	var plans []string
	st := sqlstore.New(planning{s.engine, &plans}, dialect)
	if _, err := st.WaitingJobs(t.Context(), time.UnixMilli(2), store.Outside, store.JobPlace{Ready: time.UnixMilli(1)}, 10); err != nil {
		t.Fatal(err)
	}
	if plan := strings.Join(plans, "\n"); !strings.Contains(plan, "COVERING INDEX job_lane (lane=? AND (ready_at,merchant,id)>(?,?,?)") || strings.Contains(plan, "TEMP B-TREE") {
		t.Error(plan)
	}
}

// TestPlans keeps questions about one thing from reading all that a merchant
// has, and lists from sorting.
func TestPlans(t *testing.T) {
	t.Parallel()
	s := migrated(t)
	for name, c := range map[string]struct {
		ask  func(r store.Reader) error
		want string
	}{
		"refunds":           {func(r store.Reader) error { _, err := r.Refunds("x"); return err }, "refund_payment (merchant=? AND payment=?)"},
		"deliveries":        {func(r store.Reader) error { _, err := r.Deliveries("", "", "", 3); return err }, "PRIMARY KEY (merchant=? AND id<?)"},
		"event's":           {func(r store.Reader) error { _, err := r.Deliveries("e", "", "", 3); return err }, "delivery_event (merchant=? AND event=? AND id<?)"},
		"endpoint's":        {func(r store.Reader) error { _, err := r.Deliveries("", "p", "", 3); return err }, "delivery_endpoint (merchant=? AND endpoint=? AND id<?)"},
		"event at endpoint": {func(r store.Reader) error { _, err := r.Deliveries("e", "p", "", 3); return err }, "delivery_event (merchant=? AND event=? AND id<?)"},
		"newest payments":   {func(r store.Reader) error { _, err := r.PaymentsBefore("", 3); return err }, "PRIMARY KEY (merchant=? AND id<?)"},
		"transfers by id":   {func(r store.Reader) error { _, err := r.TransfersByID([]string{"x"}); return err }, "transfer_id (merchant=? AND id=?)"},
		"last transfer":     {func(r store.Reader) error { _, err := r.LastTransfer(); return err }, "PRIMARY KEY (merchant=?)"},
		"jobs":              {func(r store.Reader) error { _, err := r.Jobs(3); return err }, "job_due (merchant=?)"},
		"versions": {func(r store.Reader) error {
			_, err := r.ResourceVersions("k", []string{"x_1" + strings.Repeat("a", id.SortLen)})
			return err
		}, "PRIMARY KEY (merchant=? AND kind=? AND sort=?)"},
		"payments' versions": {func(r store.Reader) error { _, err := r.PaymentVersions([]string{"p"}); return err }, "PRIMARY KEY (merchant=? AND id=?)"},
		"keyed": {func(r store.Reader) error {
			_, err := r.Resources(store.List{Kind: "k", Key: "n", Value: "v", Limit: 3})
			return err
		}, "SEARCH k USING PRIMARY KEY (merchant=? AND kind=? AND name=? AND value=? AND sort>? AND sort<?)"},
		"several keys": {func(r store.Reader) error {
			_, err := r.Resources(store.List{Kind: "k", Key: "n", Value: "v", And: []resource.Key{{Name: "o", Value: "w"}}, Limit: 3})
			return err
		}, "SEARCH o EXISTS USING PRIMARY KEY (merchant=? AND kind=? AND name=? AND value=? AND sort=?)"},
	} {
		var plans []string
		st := sqlstore.New(planning{s.engine, &plans}, dialect)
		if err := st.View(t.Context(), 1, c.ask); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
		plan := strings.Join(plans, "\n")
		if !strings.Contains(plan, c.want) || name != "refunds" && strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("%s: %s, want %s", name, plan, c.want)
		}
	}
}
