package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

// Kinds of job that delete what need not be kept any longer. What they delete
// is never a fact about money.
const (
	JobPrune   = "prune"   // a merchant's: what its front no longer shows, on the merchant's clock
	JobAnswers = "answers" // nobody's: stored answers to idempotent requests, on the wall clock
)

// Keeper is a Front that keeps some of its rows for a limited time.
type Keeper interface {
	Front
	// Prune deletes at most limit of the merchant's rows whose time is over at
	// t.At. It returns when the next one's will be: t.At or before if more are
	// over already, the zero time if there are none.
	Prune(t *Tx, limit int) (next time.Time, err error)
}

const (
	// pruneBatch is how much is deleted in one transaction.
	pruneBatch = 200
	// pruneEvery is how often at most a merchant's rows are looked through: what
	// is over is no longer shown, whether or not it has been deleted.
	pruneEvery = 24 * time.Hour
	// answersBatch and answersEvery are the same for answers.
	answersBatch = 1000
	answersEvery = 10 * time.Minute
)

type prunePayload struct {
	Front string `json:"front"`
}

// PlanPrune sees to it that the front's rows are looked through at a merchant's
// time, unless that is planned already. A front calls it with every row that it
// does not keep for ever.
func (t *Tx) PlanPrune(front string, due time.Time) error {
	id := "prune:" + front
	return t.EnsureJob(id, func() (store.Job, error) { return t.job(id, JobPrune, due, prunePayload{front}) })
}

// RunPrune handles JobPrune.
func (e *Engine) RunPrune(ctx context.Context, j store.Job) error {
	var pl prunePayload
	return e.inJob(ctx, j, &pl, func(t *Tx) error {
		front, ok := e.fronts[pl.Front].(Keeper)
		if !ok {
			return fmt.Errorf("job %s: front %q keeps everything or is not running", j.ID, pl.Front)
		}
		next, err := front.Prune(t, pruneBatch)
		if err != nil || next.IsZero() {
			return err
		}
		if next.After(t.At) {
			next = later(next, t.At.Add(pruneEvery))
		}
		return t.again(j, later(next, t.At), pl)
	})
}

// nobody is the merchant of jobs that belong to none. It has no row, and so no
// clock but the wall's.
const nobody = 0

// PlanAnswers sees to it that old answers are deleted from now on. Call it when
// a server starts; all nodes share the one job.
func (e *Engine) PlanAnswers(ctx context.Context) error {
	at := now(e.Clock.Now())
	return e.Store.Update(ctx, nobody, func(tx store.Tx) error {
		return tx.InsertJob(store.Job{ID: JobAnswers, Kind: JobAnswers, Due: at, RunAt: at})
	})
}

// RunAnswers handles JobAnswers: one batch, then a rest unless there is more.
func (e *Engine) RunAnswers(ctx context.Context, j store.Job) error {
	at := now(e.Clock.Now())
	n, err := e.Store.PruneAnswers(ctx, at.Add(-answerKept), answersBatch)
	if err != nil {
		return err
	}
	if n < answersBatch {
		at = at.Add(answersEvery)
	}
	j.Due, j.RunAt = at, at
	return e.Store.Update(ctx, nobody, func(tx store.Tx) error { return tx.RescheduleJob(j) })
}
