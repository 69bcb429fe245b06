package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/store"
)

type jobRef = store.Job

// Codes of the errors Execute returns about idempotency keys.
const (
	CodeKeyParameters = "idempotency_parameters" // used before with other parameters
	CodeKeyEndpoint   = "idempotency_endpoint"   // used before with another endpoint
	CodeKeyBusy       = "idempotency_busy"       // the first request is still running
)

// answerLease is how long a request may be under way before a repeat of it
// takes over.
const answerLease = time.Minute

// answerKept is how long answers are kept, on the wall clock.
const answerKept = 24 * time.Hour

// Op is one request that changes something.
type Op struct {
	Merchant    int64
	Cause       Cause
	Key         string // idempotency key, "" for none
	Endpoint    string // method and path
	Fingerprint string // of the parameters

	// Begin decides and writes. Rails that decide in-process have answered when
	// it returns; for others the answer is awaited after its commit.
	Begin func(t *Tx) error
	// Finish renders the reply when outcomes are applied. It must depend only
	// on the request and on what is stored.
	Finish func(t *Tx) (Reply, error)
}

// Reply is the answer to a request.
type Reply struct {
	Status int
	Body   []byte
	// Keep says whether the answer is stored under the idempotency key. An
	// answer that is not kept leaves the key free.
	Keep bool

	Replayed  bool
	RequestID string // of the first execution
}

// errRepeat asks Execute to look for the stored answer again.
var errRepeat = errors.New("engine: key was taken meanwhile")

// Execute runs an Op once per idempotency key. An error from Begin or Finish
// undoes everything and stores nothing.
func (e *Engine) Execute(ctx context.Context, op Op) (Reply, error) {
	for range 5 {
		reply, err := e.execute(ctx, op)
		if !errors.Is(err, errRepeat) {
			return reply, err
		}
	}
	return Reply{}, fault.New(fault.Busy, CodeKeyBusy, op.Key)
}

func (e *Engine) execute(ctx context.Context, op Op) (Reply, error) {
	var reply Reply
	var calls []call
	err := e.Update(ctx, op.Merchant, op.Cause, func(t *Tx) error {
		reply, calls = Reply{}, nil
		t.executes = true
		if op.Key != "" {
			done, pending, err := t.earlier(op)
			if err != nil {
				return err
			}
			if done != nil {
				reply = *done
				return nil
			}
			if pending != nil {
				calls = pending
				return nil
			}
		}
		if op.Begin != nil {
			if err := op.Begin(t); err != nil {
				return err
			}
		}
		if calls = t.calls; len(calls) > 0 {
			return t.keepPending(op, calls)
		}
		return t.finish(op, &reply, true)
	})
	if err != nil || len(calls) == 0 {
		return reply, err
	}
	err = e.resume(ctx, op.Merchant, calls, op.Cause, func(t *Tx) error {
		reply = Reply{}
		return t.finish(op, &reply, false)
	})
	return reply, err
}

// earlier looks for what the key was used for before: a stored answer, or calls
// that were under way when a process died.
func (t *Tx) earlier(op Op) (*Reply, []call, error) {
	a, err := t.Answer(op.Key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if t.Wall.Sub(a.Created) > answerKept {
		return nil, nil, nil
	}
	if err := misused(a, op); err != nil {
		return nil, nil, err
	}
	switch {
	case a.Status != 0:
		return &Reply{Status: a.Status, Body: a.Body, Keep: true, Replayed: true, RequestID: a.RequestID}, nil, nil
	case t.Wall.Sub(a.Created) < answerLease:
		return nil, nil, fault.New(fault.Busy, CodeKeyBusy, op.Key)
	}
	var calls []call
	if err := json.Unmarshal(a.Headers, &calls); err != nil {
		return nil, nil, fmt.Errorf("answer %s: %w", a.Key, err)
	}
	return nil, calls, nil
}

// misused reports that a key was first used for something else.
func misused(a store.Answer, op Op) error {
	switch {
	case a.Endpoint != op.Endpoint:
		return fault.New(fault.Conflict, CodeKeyEndpoint, a.Endpoint)
	case a.Fingerprint != op.Fingerprint:
		return fault.New(fault.Conflict, CodeKeyParameters, op.Key)
	}
	return nil
}

// KeyMisused reports that an Op's key was first used for something else. Execute
// finds that out by itself; this is for requests that are refused before it.
func (e *Engine) KeyMisused(ctx context.Context, op Op) error {
	if op.Key == "" {
		return nil
	}
	return e.Store.View(ctx, op.Merchant, func(r store.Reader) error {
		a, err := r.Answer(op.Key)
		if errors.Is(err, store.ErrNotFound) || err == nil && e.Clock.Now().Sub(a.Created) > answerKept {
			return nil
		}
		if err != nil {
			return err
		}
		return misused(a, op)
	})
}

func (t *Tx) answer(op Op) store.Answer {
	return store.Answer{Key: op.Key, Endpoint: op.Endpoint, Fingerprint: op.Fingerprint, RequestID: op.Cause.RequestID, Created: t.Wall}
}

// keepPending claims the key while the rail is being asked.
func (t *Tx) keepPending(op Op, calls []call) error {
	if op.Key == "" {
		return nil
	}
	a := t.answer(op)
	b, err := json.Marshal(calls)
	if err != nil {
		return err
	}
	a.Headers = b
	return repeatIfTaken(t.InsertAnswer(a))
}

func repeatIfTaken(err error) error {
	if errors.Is(err, store.ErrExists) {
		return errRepeat
	}
	return err
}

func (t *Tx) finish(op Op, reply *Reply, fresh bool) error {
	r, err := op.Finish(t)
	if err != nil {
		return err
	}
	r.RequestID = op.Cause.RequestID
	*reply = r
	if op.Key == "" {
		return nil
	}
	a := t.answer(op)
	a.Status, a.Body = r.Status, r.Body
	switch {
	case fresh && r.Keep:
		return repeatIfTaken(t.InsertAnswer(a))
	case !fresh && r.Keep:
		return t.FinishAnswer(a)
	case !fresh:
		return t.DeleteAnswer(op.Key)
	}
	return nil
}

// resume asks the rails and applies what they say; then, in the same
// transaction, runs after.
func (e *Engine) resume(ctx context.Context, merchantID int64, calls []call, cause Cause, after func(t *Tx) error) error {
	outs := make([]rail.Outcome, len(calls))
	for i, c := range calls {
		r, err := e.rail(c.Rail)
		if err != nil {
			return err
		}
		if outs[i], err = perform(ctx, r, c); err != nil {
			return fmt.Errorf("%s %s: outcome unknown: %w", c.Verb, c.Request.ID, err)
		}
	}
	return e.Update(ctx, merchantID, cause, func(t *Tx) error {
		for i, c := range calls {
			p, err := t.LoadPayment(c.Payment)
			if err != nil {
				return err
			}
			if err := t.settle(p, c, outs[i]); err != nil {
				return err
			}
			if err := t.DeleteJob(c.jobID()); err != nil {
				return err
			}
		}
		if after == nil {
			return nil
		}
		return after(t)
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
