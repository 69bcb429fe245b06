package engine_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
)

func TestExecute(t *testing.T) {
	t.Parallel()
	type bundle struct {
		*world
		runs *atomic.Int64
		op   func(request string) engine.Op
	}
	setup := func(t *testing.T) bundle {
		b := bundle{world: simulated(t), runs: new(atomic.Int64)}
		b.op = func(request string) engine.Op {
			var n int64
			return engine.Op{
				Merchant: b.merchant, Cause: engine.Cause{RequestID: request}, Key: "key", Endpoint: "POST /v1/things", Fingerprint: "f1",
				Begin: func(*engine.Tx) error { n = b.runs.Add(1); return nil },
				Finish: func(t *engine.Tx) (engine.Reply, error) {
					return engine.Reply{Status: 201, Keep: true, Body: fmt.Appendf(nil, "run %d\x00\xff %s\n", n, t.Random(8))}, nil
				},
			}
		}
		return b
	}
	t.Run("ReplaysByteForByte", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, err := b.Execute(t.Context(), b.op("req_1"))
		b.must(err)
		if first.Replayed || first.RequestID != "req_1" || first.Status != 201 {
			t.Errorf("first %+v", first)
		}
		for i := range 3 {
			again, err := b.Execute(t.Context(), b.op(fmt.Sprintf("req_again%d", i)))
			b.must(err)
			if !again.Replayed || again.RequestID != "req_1" || again.Status != 201 || string(again.Body) != string(first.Body) {
				t.Errorf("replay %+v, first %+v", again, first)
			}
		}
		if n := b.runs.Load(); n != 1 {
			t.Errorf("ran %d times", n)
		}
	})
	t.Run("WithoutKeyRunsEachTime", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 2 {
			op := b.op("req")
			op.Key = ""
			reply, err := b.Execute(t.Context(), op)
			b.must(err)
			if reply.Replayed {
				t.Error("replayed without a key")
			}
		}
		if n := b.runs.Load(); n != 2 {
			t.Errorf("ran %d times", n)
		}
	})
	t.Run("OtherUseOfAKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.Execute(t.Context(), b.op("req_1"))
		b.must(err)
		for name, c := range map[string]struct {
			change func(op *engine.Op)
			code   string
		}{
			"Parameters": {func(op *engine.Op) { op.Fingerprint = "f2" }, engine.CodeKeyParameters},
			"Endpoint":   {func(op *engine.Op) { op.Endpoint = "POST /v1/others" }, engine.CodeKeyEndpoint},
			"Both":       {func(op *engine.Op) { op.Endpoint, op.Fingerprint = "POST /v1/others", "f2" }, engine.CodeKeyEndpoint},
		} {
			op := b.op("req_2")
			c.change(&op)
			if _, err := b.Execute(t.Context(), op); fault.KindOf(err) != fault.Conflict || fault.CodeOf(err) != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		}
		if n := b.runs.Load(); n != 1 {
			t.Errorf("ran %d times", n)
		}
	})
	t.Run("KeysBelongToAMerchant", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		other, err := engine.NewWorlds(b.Engine).Sandbox(t.Context(), "acct_2")
		b.must(err)
		_, err = b.Execute(t.Context(), b.op("req_1"))
		b.must(err)
		op := b.op("req_2")
		op.Merchant, op.Fingerprint = other, "f2"
		reply, err := b.Execute(t.Context(), op)
		b.must(err)
		if reply.Replayed || b.runs.Load() != 2 {
			t.Errorf("reply %+v after %d runs", reply, b.runs.Load())
		}
	})
	t.Run("AnErrorStoresNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		boom := errors.New("boom")
		op := b.op("req_1")
		op.Begin = func(t *engine.Tx) error {
			if _, err := t.Start(sale(), nil); err != nil {
				return err
			}
			return boom
		}
		if _, err := b.Execute(t.Context(), op); !errors.Is(err, boom) {
			t.Errorf("begin: %v", err)
		}
		op = b.op("req_2")
		op.Begin = func(t *engine.Tx) error { _, err := t.Start(sale(), nil); return err }
		op.Finish = func(*engine.Tx) (engine.Reply, error) { return engine.Reply{}, boom }
		if _, err := b.Execute(t.Context(), op); !errors.Is(err, boom) {
			t.Errorf("finish: %v", err)
		}
		b.planned()
		reply, err := b.Execute(t.Context(), b.op("req_3"))
		b.must(err)
		if reply.Replayed || reply.RequestID != "req_3" {
			t.Errorf("reply %+v", reply)
		}
	})
	t.Run("AnswersThatAreNotKeptFreeTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		op := b.op("req_1")
		op.Finish = func(*engine.Tx) (engine.Reply, error) { return engine.Reply{Status: 400, Body: []byte("early")}, nil }
		first, err := b.Execute(t.Context(), op)
		b.must(err)
		second, err := b.Execute(t.Context(), b.op("req_2"))
		b.must(err)
		if first.Status != 400 || second.Status != 201 || second.Replayed {
			t.Errorf("first %+v, second %+v", first, second)
		}
	})
	t.Run("ExpiresAfterADay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		first, err := b.Execute(t.Context(), b.op("req_1"))
		b.must(err)
		b.advance(48 * time.Hour) // the merchant's clock does not matter
		b.clock.Advance(24 * time.Hour)
		again, err := b.Execute(t.Context(), b.op("req_2"))
		b.must(err)
		if !again.Replayed || string(again.Body) != string(first.Body) {
			t.Errorf("after a day: %+v", again)
		}
		b.clock.Advance(time.Millisecond)
		op := b.op("req_3")
		op.Endpoint, op.Fingerprint = "POST /v1/others", "f2"
		fresh, err := b.Execute(t.Context(), op)
		b.must(err)
		if fresh.Replayed || fresh.RequestID != "req_3" {
			t.Errorf("after more than a day: %+v", fresh)
		}
		again, err = b.Execute(t.Context(), op)
		b.must(err)
		if !again.Replayed || again.RequestID != "req_3" {
			t.Errorf("the new answer is not kept: %+v", again)
		}
	})
	t.Run("ManyAtOnceRunOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		type result struct {
			reply engine.Reply
			err   error
		}
		results := make(chan result, 16)
		for i := range cap(results) {
			go func() {
				reply, err := b.Execute(t.Context(), b.op(fmt.Sprintf("req_%d", i)))
				results <- result{reply, err}
			}()
		}
		bodies, fresh := map[string]bool{}, 0
		for range cap(results) {
			r := <-results
			if fault.CodeOf(r.err) == engine.CodeKeyBusy {
				continue
			}
			b.must(r.err)
			bodies[string(r.reply.Body)] = true
			if !r.reply.Replayed {
				fresh++
			}
		}
		if len(bodies) != 1 || fresh != 1 || b.runs.Load() != 1 {
			t.Errorf("%d answers, %d fresh, %d runs", len(bodies), fresh, b.runs.Load())
		}
	})
	t.Run("BusyWhileTheFirstIsUnderWay", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		entered, leave := make(chan struct{}), make(chan struct{})
		op := b.op("req_1")
		begin := op.Begin
		op.Begin = func(t *engine.Tx) error {
			close(entered)
			<-leave
			return begin(t)
		}
		done := make(chan error, 1)
		go func() {
			_, err := b.Execute(t.Context(), op)
			done <- err
		}()
		<-entered
		_, err := b.Execute(t.Context(), b.op("req_2"))
		used, ok := errors.AsType[*engine.Used](err)
		if fault.KindOf(err) != fault.Busy || fault.CodeOf(err) != engine.CodeKeyBusy || !ok || used.RequestID != "req_1" {
			t.Errorf("the same meanwhile: %v", err)
		}
		other := b.op("req_3")
		other.Fingerprint = "f2"
		if _, err := b.Execute(t.Context(), other); fault.CodeOf(err) != engine.CodeKeyParameters {
			t.Errorf("other parameters meanwhile: %v", err)
		}
		close(leave)
		b.must(<-done)
		reply, err := b.Execute(t.Context(), b.op("req_4"))
		b.must(err)
		if !reply.Replayed || reply.RequestID != "req_1" || b.runs.Load() != 1 {
			t.Errorf("afterwards %+v, %d runs", reply, b.runs.Load())
		}
	})
	t.Run("AFailedFirstFreesTheKey", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		op := b.op("req_1")
		op.Begin = func(*engine.Tx) error { panic("a broken invariant") }
		func() {
			defer func() { _ = recover() }()
			_, _ = b.Execute(t.Context(), op)
		}()
		reply, err := b.Execute(t.Context(), b.op("req_2"))
		b.must(err)
		if reply.Replayed || reply.RequestID != "req_2" {
			t.Errorf("reply %+v", reply)
		}
	})
	t.Run("HeadersAreReplayed", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		op := b.op("req_1")
		finish := op.Finish
		op.Finish = func(t *engine.Tx) (engine.Reply, error) {
			r, err := finish(t)
			r.Headers = []byte("as it was")
			return r, err
		}
		_, err := b.Execute(t.Context(), op)
		b.must(err)
		again, err := b.Execute(t.Context(), b.op("req_2"))
		b.must(err)
		if !again.Replayed || string(again.Headers) != "as it was" {
			t.Errorf("replay %+v", again)
		}
	})
	t.Run("WakesTheRunner", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		select {
		case <-b.Wake():
		default:
		}
		plan := func(id string, after time.Duration) {
			op := b.op(id)
			op.Key = ""
			op.Begin = func(t *engine.Tx) error { return t.Job(id, "kind", t.At.Add(after), struct{}{}) }
			_, err := b.Execute(t.Context(), op)
			b.must(err)
		}
		plan("later", time.Hour)
		select {
		case <-b.Wake():
			t.Error("the runner is woken for work that is due in an hour")
		default:
		}
		plan("now", 0)
		select {
		case <-b.Wake():
		default:
			t.Error("the runner sleeps on")
		}
	})
}

func TestLoadPaymentTwiceGivesOneObject(t *testing.T) {
	t.Parallel()
	w := simulated(t)
	p := w.start()
	w.update(func(tx *engine.Tx) error {
		a, err := tx.LoadPayment(p)
		if err != nil {
			return err
		}
		b, err := tx.LoadPayment(p)
		if a != b {
			t.Error("two objects for one payment")
		}
		return err
	})
	err := w.Update(t.Context(), w.merchant, engine.Cause{}, func(tx *engine.Tx) error {
		_, err := tx.LoadPayment("pay_none")
		return err
	})
	if err == nil {
		t.Error("loaded a payment that is not there")
	}
	if err := w.Update(t.Context(), 12345, engine.Cause{}, func(*engine.Tx) error { return nil }); err == nil {
		t.Error("a transaction of nobody")
	}
}
