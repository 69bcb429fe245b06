package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/payment"
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
	// AnyParameters replays the key's answer whatever the parameters are.
	AnyParameters bool

	// Begin decides and writes. Rails that decide in-process have answered when
	// it returns; for others the answer is awaited after its commit.
	Begin func(t *Tx) error
	// Finish renders the reply when outcomes are applied. Another process may run
	// it than ran Begin, so it must depend only on the request, on what is stored,
	// and on Tx.Subject: an id that Begin made up belongs there.
	Finish func(t *Tx) (Reply, error)
}

// Reply is the answer to a request.
type Reply struct {
	Status int
	// Headers is what a dialect wants back on a replay beside the body, in a form
	// of its own.
	Headers []byte
	Body    []byte
	// Keep says whether the answer is stored under the idempotency key. An
	// answer that is not kept leaves the key free.
	Keep bool

	Replayed  bool
	RequestID string // of the first execution
}

// errRepeat asks Execute to look for the stored answer again.
var errRepeat = errors.New("engine: key was taken meanwhile")

// Used is the cause of the errors about a key that was used before: it names
// the request that came first.
type Used struct{ RequestID string }

// Error implements error.
func (u *Used) Error() string { return "first used by request " + u.RequestID }

// underWay knows the keyed requests that this process is executing, so that a
// repeat is told so at once and does not queue behind the first one's
// transaction. Other nodes, and processes that died, are found by their claim
// in the store.
type underWay struct {
	mu  sync.Mutex
	ops map[merchantKey]store.Answer
}

type merchantKey struct {
	merchant int64
	key      string
}

// enter notes a request, unless its key is in use.
func (u *underWay) enter(op Op) (first store.Answer, ok bool) {
	k := merchantKey{op.Merchant, op.Key}
	u.mu.Lock()
	defer u.mu.Unlock()
	if first, busy := u.ops[k]; busy {
		return first, false
	}
	if u.ops == nil {
		u.ops = map[merchantKey]store.Answer{}
	}
	u.ops[k] = store.Answer{Endpoint: op.Endpoint, Fingerprint: op.Fingerprint, RequestID: op.Cause.RequestID}
	return store.Answer{}, true
}

func (u *underWay) leave(op Op) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.ops, merchantKey{op.Merchant, op.Key})
}

func busy(key, requestID string) error {
	return fault.New(fault.Busy, CodeKeyBusy, key).Because(&Used{requestID})
}

// Execute runs an Op once per idempotency key. An error from Begin or Finish
// undoes everything and stores nothing. While the first request with a key is
// under way, others with it are refused with CodeKeyBusy.
func (e *Engine) Execute(ctx context.Context, op Op) (Reply, error) {
	if op.Key != "" {
		first, ok := e.underWay.enter(op)
		if !ok {
			return e.meanwhile(ctx, op, first)
		}
		defer e.underWay.leave(op)
	}
	for range 5 {
		reply, err := e.execute(ctx, op)
		if !errors.Is(err, errRepeat) {
			return reply, err
		}
	}
	return Reply{}, busy(op.Key, "")
}

// meanwhile answers an Op whose key this process has in hand: the answer of the
// first request if that is stored already and only being repeated, a refusal
// otherwise.
func (e *Engine) meanwhile(ctx context.Context, op Op, first store.Answer) (reply Reply, err error) {
	if err := misused(first, op); err != nil {
		return Reply{}, err
	}
	err = e.Store.View(ctx, op.Merchant, func(r store.Reader) error {
		a, err := r.Answer(op.Key)
		switch {
		case errors.Is(err, store.ErrNotFound), err == nil && (a.Status == 0 || e.expired(a)):
			return busy(op.Key, first.RequestID)
		case err != nil:
			return err
		}
		reply = replay(a)
		return misused(a, op)
	})
	return reply, err
}

// expired reports that an answer is no longer kept.
func (e *Engine) expired(a store.Answer) bool { return now(e.Clock.Now()).Sub(a.Created) > answerKept }

func replay(a store.Answer) Reply {
	return Reply{Status: a.Status, Headers: a.Headers, Body: a.Body, Keep: true, Replayed: true, RequestID: a.RequestID}
}

func (e *Engine) execute(ctx context.Context, op Op) (Reply, error) {
	var reply Reply
	var begun unfinished
	cause := op.Cause
	err := e.Update(ctx, op.Merchant, op.Cause, func(t *Tx) error {
		reply, begun, cause = Reply{}, unfinished{}, op.Cause
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
				// What the first request began goes on in its name.
				begun, cause.RequestID = *pending, pending.requestID
				return nil
			}
		}
		if op.Begin != nil {
			if err := op.Begin(t); err != nil {
				return err
			}
		}
		if len(t.calls) > 0 {
			begun = unfinished{Calls: t.calls, Subject: t.Subject}
			return t.keepPending(op, begun)
		}
		return t.finish(op, &reply, true)
	})
	if err != nil || len(begun.Calls) == 0 {
		return reply, err
	}
	refused, err := e.resume(ctx, op.Merchant, begun.Calls, cause, func(t *Tx, refused error) error {
		reply, t.Subject = Reply{}, begun.Subject
		switch {
		case refused == nil:
			return t.finish(op, &reply, false)
		case op.Key != "":
			return t.DeleteAnswer(op.Key) // as if it had not been asked
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	return reply, err
}

// unfinished is what a request has begun while the rail is being asked, or had
// when its process died. It is kept as JSON with the claim of the key.
type unfinished struct {
	Calls     []call `json:"calls"`
	Subject   string `json:"subject,omitempty"`
	requestID string
}

// earlier looks for what the key was used for before: a stored answer, or calls
// that were under way when a process died.
func (t *Tx) earlier(op Op) (*Reply, *unfinished, error) {
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
		r := replay(a)
		return &r, nil, nil
	case t.Wall.Sub(a.Created) < answerLease:
		return nil, nil, busy(op.Key, a.RequestID)
	}
	u := &unfinished{requestID: a.RequestID}
	if err := json.Unmarshal(a.Headers, u); err != nil {
		return nil, nil, fmt.Errorf("answer %s: %w", a.Key, err)
	}
	return nil, u, nil
}

// misused reports that a key was first used for something else.
func misused(a store.Answer, op Op) error {
	switch {
	case a.Endpoint != op.Endpoint:
		return fault.New(fault.Conflict, CodeKeyEndpoint, a.Endpoint).Because(&Used{a.RequestID})
	case !op.AnyParameters && a.Fingerprint != op.Fingerprint:
		return fault.New(fault.Conflict, CodeKeyParameters, op.Key).Because(&Used{a.RequestID})
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
		if errors.Is(err, store.ErrNotFound) || err == nil && e.expired(a) {
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
func (t *Tx) keepPending(op Op, begun unfinished) error {
	if op.Key == "" {
		return nil
	}
	a := t.answer(op)
	b, err := json.Marshal(begun)
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
	r.RequestID = t.Cause.RequestID
	*reply = r
	if op.Key == "" {
		return nil
	}
	a := t.answer(op)
	a.Status, a.Headers, a.Body = r.Status, r.Headers, r.Body
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
// transaction, runs after. refused is why a rail cannot be used at present: that
// is an answer, the payment it was asked for is over, and nobody asks again.
func (e *Engine) resume(ctx context.Context, merchantID int64, calls []call, cause Cause, after func(t *Tx, refused error) error) (refused, err error) {
	outs := make([]rail.Outcome, len(calls))
	for i, c := range calls {
		r, err := e.rail(c.Rail)
		if err != nil {
			return nil, err
		}
		outs[i], err = perform(ctx, r, c)
		switch {
		case err != nil && c.Verb == "authorize" && fault.KindOf(err) == fault.Unavailable:
			outs[i], refused = rail.Outcome{Status: rail.Refused, Reason: string(payment.ProcessingError)}, err
		case err != nil:
			return nil, fmt.Errorf("%s %s: outcome unknown: %w", c.Verb, c.Request.ID, err)
		}
	}
	return refused, e.Update(ctx, merchantID, cause, func(t *Tx) error {
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
		return after(t, refused)
	})
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
