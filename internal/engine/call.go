package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
)

// call is a request to a rail that is made between two transactions.
type call struct {
	Verb    string       `json:"verb"` // authorize, capture
	Payment string       `json:"payment"`
	Rail    string       `json:"rail"`
	Request rail.Request `json:"request"`
}

func (c call) jobID() string { return "call:" + c.Request.ID }

// callPatience is how long a call's outcome may stay unknown before the job
// runner asks the rail again. It is longer than any request may take.
const callPatience = 2 * time.Minute

// perform asks the rail. It is called outside transactions unless the rail is
// local.
func perform(ctx context.Context, r rail.Rail, c call) (rail.Outcome, error) {
	switch c.Verb {
	case "authorize":
		return r.Authorize(ctx, c.Request)
	case "capture":
		return r.Capture(ctx, c.Request)
	}
	return rail.Outcome{}, fmt.Errorf("engine: unknown call %q", c.Verb)
}

// ask asks a local rail at once and settles; for any other it records that it
// will be asked after this transaction: by Execute, whose caller waits for the
// outcome, or else by the job runner.
func (t *Tx) ask(p *payment.Payment, c call) error {
	r, err := t.e.rail(c.Rail)
	if err != nil {
		return err
	}
	if r.Local() {
		out, err := perform(t.Ctx, r, c)
		if err != nil {
			return err
		}
		return t.settle(p, c, out)
	}
	due := t.At
	if t.executes {
		t.calls = append(t.calls, c)
		due = due.Add(callPatience)
	}
	return t.Job(c.jobID(), JobCall, due, c)
}
