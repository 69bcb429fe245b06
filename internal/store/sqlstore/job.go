package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

func scanJob(r Rows) (j store.Job, err error) {
	var due, run, tries int64
	err = r.Scan(&j.Merchant, &j.ID, &j.Kind, &due, &run, &tries, &j.Payload)
	j.Due, j.RunAt, j.Tries = fromMilli(due), fromMilli(run), int(tries)
	return j, err
}

// jobWrite is a write of a job that is made when the transaction ends.
type jobWrite struct {
	id   string
	sql  string
	args []any
}

// putOff keeps a write of a job until the transaction ends. Where nobody else
// writes there is nothing to wait for.
func (t *Tx) putOff(id, sql string, args ...any) error {
	if t.Alone() {
		return t.exec(sql, args...)
	}
	if err := t.ready(args); err != nil {
		return err
	}
	t.jobs = append(t.jobs, jobWrite{id, sql, args})
	return nil
}

// writeJobs makes the writes that were put off, job by job in the order of their
// ids, which is the order everybody locks jobs in.
func (t *Tx) writeJobs() error {
	slices.SortStableFunc(t.jobs, func(a, b jobWrite) int { return cmp.Compare(a.id, b.id) })
	for _, w := range t.jobs {
		if err := t.exec(w.sql, w.args...); err != nil {
			return err
		}
	}
	t.jobs = t.jobs[:0]
	return t.err
}

// Jobs implements store.Reader.
func (t *Tx) Jobs(limit int) ([]store.Job, error) {
	if err := t.writeJobs(); err != nil {
		return nil, err
	}
	return many(t, scanJob, `select merchant, id, kind, due, run_at, tries, payload from job
where merchant = $1 order by due, id limit $2 + 0`, t.merchant, int64(limit))
}

// InsertJob implements store.Tx.
func (t *Tx) InsertJob(j store.Job) error {
	return t.putOff(j.ID, `insert into job (merchant, id, kind, lane, due, run_at, leased_until, ready_at, tries, payload)
values ($1, $2, $3, $4, $5, $6, 0, $6, $7, $8) on conflict (merchant, id) do nothing`,
		t.merchant, j.ID, j.Kind, int64(store.LaneOf(j.Kind)), toMilli(j.Due), toMilli(j.RunAt), int64(j.Tries), j.Payload)
}

// EnsureJob implements store.Tx.
func (t *Tx) EnsureJob(id string, job func() (store.Job, error)) error {
	if t.conn.Memory().job(t.merchant, id) {
		return t.err
	}
	j, err := job()
	if err != nil {
		return t.fail(err)
	}
	j.ID = id
	if err := t.InsertJob(j); err != nil {
		return err
	}
	t.conn.Memory().keepJob(t.merchant, id)
	return nil
}

// RescheduleJob implements store.Tx. A job that was deleted stays deleted.
func (t *Tx) RescheduleJob(j store.Job) error {
	return t.putOff(j.ID, `update job set due = $3, run_at = $4, leased_until = 0, ready_at = $4, payload = $5 where merchant = $1 and id = $2`,
		t.merchant, j.ID, toMilli(j.Due), toMilli(j.RunAt), j.Payload)
}

// DeleteJob implements store.Tx. Deleting what is not there does nothing.
func (t *Tx) DeleteJob(id string) error {
	t.conn.Memory().jobDeleted(t.merchant, id)
	return t.putOff(id, `delete from job where merchant = $1 and id = $2`, t.merchant, id)
}

// ShiftJobs implements store.Tx. The jobs are locked in order first: the update
// would lock them as it comes across them.
func (t *Tx) ShiftJobs(d time.Duration) error {
	if err := t.writeJobs(); err != nil {
		return err
	}
	if err := t.lock(LockJobs, ""); err != nil {
		return err
	}
	return t.exec(`update job set run_at = run_at + $2,
	ready_at = case when run_at + $2 > leased_until then run_at + $2 else leased_until end where merchant = $1`,
		t.merchant, d.Milliseconds())
}

var allLanes = []store.Lane{store.Own, store.Outside}

// ClaimDueJobs implements store.Store.
func (s *Store) ClaimDueJobs(ctx context.Context, wall time.Time, lease time.Duration, limit int, lanes ...store.Lane) (jobs []store.Job, next time.Time, err error) {
	if len(lanes) == 0 {
		lanes = allLanes
	}
	now, until := toMilli(wall), toMilli(wall.Add(lease))
	due, nextMilli, err := s.peek(ctx, now, lanes)
	if err != nil || !due || limit <= 0 {
		return nil, fromMilli(nextMilli), err
	}
	err = s.write(ctx, 0, func(t *Tx) error {
		jobs = nil
		for _, lane := range lanes {
			got, err := t.claimLane(s.sql, lane, now, until, limit-len(jobs))
			if err != nil {
				return err
			}
			jobs = append(jobs, got...)
		}
		nextMilli, err = t.nextJob(now, jobs, lanes)
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	slices.SortFunc(jobs, func(a, b store.Job) int {
		return cmp.Or(a.RunAt.Compare(b.RunAt), cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.ID, b.ID))
	})
	return jobs, fromMilli(nextMilli), nil
}

func (t *Tx) claimLane(sql *statements, lane store.Lane, now, until int64, limit int) ([]store.Job, error) {
	newest := 0
	if lane == store.Outside {
		newest = limit / 2
	}
	jobs, err := many(t, scanJob, sql.claimDue, now, until, int64(limit-newest), int64(lane))
	if err != nil || newest == 0 {
		return jobs, err
	}
	late, err := many(t, scanJob, sql.claimLast, now, until, int64(newest), int64(lane))
	return append(jobs, late...), err
}

// peek looks whether there is anything to claim, so that idle polling writes
// nothing.
func (s *Store) peek(ctx context.Context, now int64, lanes []store.Lane) (due bool, next int64, err error) {
	err = s.read(ctx, func(t *Tx) error {
		next, err = t.nextJob(now, nil, lanes)
		return err
	})
	return next != 0 && next <= now, next, err
}

type place struct {
	merchant int64
	id       string
	at       int64
}

func scanPlace(r Rows) (p place, err error) { return p, r.Scan(&p.merchant, &p.id, &p.at) }

// nextJob returns when the first job of the lanes that is not among ours can be
// claimed, zero if there is none. Jobs of a merchant whose clock is being
// advanced can be claimed when that ends.
func (t *Tx) nextJob(now int64, ours []store.Job, lanes []store.Lane) (next int64, err error) {
	for _, lane := range lanes {
		list, err := many(t, scanPlace, `select j.merchant, j.id, j.ready_at from job j
where j.lane = $3 and not exists (select 1 from merchant a where a.id = j.merchant and a.advancing_until > $1)
order by j.ready_at, j.merchant, j.id limit $2 + 0`, now, int64(len(ours)+1), int64(lane))
		if err != nil {
			return 0, err
		}
		free := slices.IndexFunc(list, func(p place) bool {
			return !slices.ContainsFunc(ours, func(j store.Job) bool { return j.Merchant == p.merchant && j.ID == p.id })
		})
		if free >= 0 && (next == 0 || list[free].at < next) {
			next = list[free].at
		}
	}
	lifted, err := one(t, scanInt, `select coalesce(min(a.advancing_until), 0) from merchant a
where a.advancing_until > 0 and a.advancing_until > $1 and exists (select 1 from job j where j.merchant = a.id)`, now)
	if err != nil {
		return 0, err
	}
	if next == 0 || lifted != 0 && lifted < next {
		next = lifted
	}
	return next, nil
}

// ClaimMerchantJobs implements store.Store.
func (s *Store) ClaimMerchantJobs(ctx context.Context, merchantID int64, due, wall time.Time, lease time.Duration, limit int) (jobs []store.Job, held store.Held, err error) {
	if limit < 0 {
		return nil, held, errors.New("store: negative limit")
	}
	now, until := toMilli(wall), toMilli(wall.Add(lease))
	for missed := true; missed && err == nil; {
		var got []store.Job
		err = s.write(ctx, merchantID, func(t *Tx) error {
			got, err = many(t, scanJob, s.sql.claimMerchant, now, until, int64(limit-len(jobs)), merchantID, toMilli(due))
			if err != nil {
				return err
			}
			// Asked after claiming, so that a job somebody leases in between is
			// counted rather than overlooked. A job that was changed while it was
			// waited for was not claimed; there may be others instead.
			look, err := one(t, scanLook, `select coalesce(sum(case when leased_until > $3 then 1 - lane else 0 end), 0),
	coalesce(sum(case when leased_until > $3 then lane else 0 end), 0),
	coalesce(sum(case when leased_until > $3 then 0 else 1 end), 0) from job
where merchant = $1 and due <= $2`, merchantID, toMilli(due), now)
			held, missed = look.held, look.free > 0 && len(jobs)+len(got) < limit
			return err
		})
		jobs = append(jobs, got...)
	}
	if err != nil {
		return nil, store.Held{}, err
	}
	for _, j := range jobs {
		if store.LaneOf(j.Kind) == store.Outside {
			held.Outside--
		} else {
			held.Own--
		}
	}
	slices.SortFunc(jobs, func(a, b store.Job) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	return jobs, held, nil
}

// look is what is due for a merchant besides what was claimed.
type look struct {
	held store.Held
	free int64 // how many nobody holds
}

func scanLook(r Rows) (l look, err error) {
	var own, outside int64
	err = r.Scan(&own, &outside, &l.free)
	l.held = store.Held{Own: int(own), Outside: int(outside)}
	return l, err
}

// ClaimJob implements store.Store.
func (s *Store) ClaimJob(ctx context.Context, merchantID int64, id string, wall time.Time, lease time.Duration) (j store.Job, ok bool, err error) {
	err = s.write(ctx, merchantID, func(t *Tx) error {
		jobs, err := many(t, scanJob, s.sql.claimOne, toMilli(wall), toMilli(wall.Add(lease)), merchantID, id)
		if ok = len(jobs) == 1; ok {
			j = jobs[0]
		}
		return err
	})
	return j, ok && err == nil, err
}

func scanWaiting(r Rows) (store.JobPlace, error) {
	p, err := scanPlace(r)
	return store.JobPlace{Merchant: p.merchant, ID: p.id, Ready: fromMilli(p.at)}, err
}

// WaitingJobs implements store.Store.
func (s *Store) WaitingJobs(ctx context.Context, wall time.Time, lane store.Lane, after store.JobPlace, limit int) (places []store.JobPlace, err error) {
	err = s.read(ctx, func(t *Tx) error {
		places, err = many(t, scanWaiting, `select merchant, id, ready_at from job
where lane = $1 and ready_at <= $2 and (ready_at, merchant, id) > ($3, $4, $5)
order by ready_at, merchant, id limit $6 + 0`, int64(lane), toMilli(wall), toMilli(after.Ready), after.Merchant, after.ID, int64(max(limit, 0)))
		return err
	})
	return places, err
}

// ClaimJobs implements store.Store.
func (s *Store) ClaimJobs(ctx context.Context, wall time.Time, lease time.Duration, places []store.JobPlace) (jobs []store.Job, err error) {
	err = s.write(ctx, 0, func(t *Tx) error {
		jobs = nil
		for _, p := range places {
			got, err := many(t, scanJob, s.sql.claimWaiting, toMilli(wall), toMilli(wall.Add(lease)), p.Merchant, p.ID)
			if err != nil {
				return err
			}
			jobs = append(jobs, got...)
		}
		return nil
	})
	return jobs, err
}
