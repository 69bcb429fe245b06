package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/rail"
)

// Kinds of job the engine handles.
const (
	JobExpire = "expire" // a waiting attempt's deadline
	JobNotice = "notice" // something a simulated wallet will say
	JobVoid   = "void"   // give held funds back at the rail
	JobRefund = "refund" // ask the rail for a refund
	JobCall   = "call"   // find out the outcome of a call whose process died
	JobSettle = "settle" // pending proceeds of a day become available
)

// Run does the work of one of the engine's jobs and removes it, in one
// transaction (rails over the network are asked before it).
func (e *Engine) Run(ctx context.Context, j jobRef) error {
	switch j.Kind {
	case JobExpire:
		return e.runExpire(ctx, j)
	case JobDeadlines:
		return e.runDeadlines(ctx, j)
	case JobNotice:
		var n rail.Notice
		return e.inJob(ctx, j, &n, func(t *Tx) error { return t.ApplyNotice(n) })
	case JobSettle:
		var pl settlePayload
		return e.inJob(ctx, j, &pl, func(t *Tx) error { return t.settleDay(pl.Day) })
	case JobVoid:
		return e.runVoid(ctx, j)
	case JobDispute, JobDisputeOpen:
		return e.runDispute(ctx, j)
	case JobPayout:
		return e.runPayout(ctx, j)
	case JobAgreement:
		return e.runAgreement(ctx, j)
	case JobPayouts:
		return e.runPayouts(ctx, j)
	case JobRefund:
		return e.runRefund(ctx, j)
	case JobCall:
		var c call
		if err := json.Unmarshal(j.Payload, &c); err != nil {
			return err
		}
		_, err := e.resume(ctx, j.Merchant, []call{c}, Cause{}, nil)
		return err
	}
	return fmt.Errorf("job %s: unknown kind %q", j.ID, j.Kind)
}

var errKeepJob = errors.New("engine: job stays")

// again has a job run once more, at a merchant's time. It returns what inJob is to be
// told.
func (t *Tx) again(j jobRef, due time.Time, payload any) error {
	again, err := t.job(j.ID, j.Kind, due, payload)
	if err != nil {
		return err
	}
	if err := t.RescheduleJob(again); err != nil {
		return err
	}
	return errKeepJob
}

func decodeJob(j jobRef, payload any) error {
	if err := json.Unmarshal(j.Payload, payload); err != nil {
		return fmt.Errorf("job %s: %w", j.ID, err)
	}
	return nil
}

// inJob runs fn and deletes the job in one transaction.
func (e *Engine) inJob(ctx context.Context, j jobRef, payload any, fn func(t *Tx) error) error {
	if err := decodeJob(j, payload); err != nil {
		return err
	}
	return e.Update(ctx, j.Merchant, Cause{}, func(t *Tx) error {
		switch err := fn(t); {
		case errors.Is(err, errKeepJob):
			return nil
		case err != nil:
			return err
		}
		return t.DeleteJob(j.ID)
	})
}
