package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ducatpay/ducat/internal/store"
)

func (f *fixture) addJobs(m int64, js ...store.Job) {
	f.Helper()
	f.must(f.Update(f.ctx(), m, func(tx store.Tx) error {
		for _, j := range js {
			f.must(tx.InsertJob(j))
		}
		return nil
	}))
}

func newJob(name string, runAt time.Time) store.Job {
	return store.Job{ID: name, Kind: "timer", Due: runAt, RunAt: runAt, Payload: []byte{1, 0, 2}}
}

func (f *fixture) claim(at time.Time, limit int) ([]store.Job, time.Time) {
	f.Helper()
	js, next, err := f.ClaimDueJobs(f.ctx(), at, time.Minute, limit)
	f.must(err)
	return js, next
}

func names(js []store.Job) string {
	var s string
	for _, j := range js {
		s += j.ID + " "
	}
	return s
}

func jobs(f *fixture) {
	js, next := f.claim(noon, 9)
	equal(f, len(js), 0)
	equal(f, next, time.Time{})

	second, third := noon.Add(time.Second), noon.Add(2*time.Second)
	f.addJobs(one, newJob("b", second), newJob("c", third), newJob("a", noon))
	f.addJobs(one, store.Job{ID: "a", Kind: "taken", Due: third, RunAt: third})
	f.addJobs(other, newJob("a", second))
	f.view(func(r store.Reader) error {
		js, err := r.Jobs(2)
		equal(f, names(js), "a b ")
		return err
	})

	js, next = f.claim(noon, 9)
	want := newJob("a", noon)
	want.Merchant = one
	equal(f, js, []store.Job{want})
	equal(f, next, second)

	js, next = f.claim(second, 1)
	equal(f, names(js), "b ")
	equal(f, next, second)
	js, next = f.claim(second, 9)
	equal(f, len(js), 1)
	equal(f, js[0].Merchant, other)
	equal(f, next, third)

	want.Due, want.RunAt, want.Payload = third, third, nil
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.RescheduleJob(want), tx.DeleteJob("b"), tx.DeleteJob("none"))
	})
	f.update(func(tx store.Tx) error { return tx.RescheduleJob(newJob("none", noon)) })
	js, next = f.claim(third, 9)
	equal(f, names(js), "a c ")
	equal(f, js[0].Tries, 1)
	equal(f, js[0].Payload, nil)
	equal(f, js[1].Tries, 0)
	equal(f, next, second.Add(time.Minute)) // when the other merchant's lease ends
}

func claimOnce(f *fixture) {
	const n, workers = 60, 6
	for i := range n {
		f.addJobs([]int64{one, other}[i%2], newJob(fmt.Sprintf("j%02d", i), noon))
	}
	var mu sync.Mutex
	got := map[string]int{}
	for _, err := range together(workers, func(i int) error {
		for {
			js, next, err := f.ClaimDueJobs(f.ctx(), noon, time.Minute, 3)
			if err != nil {
				return err
			}
			mu.Lock()
			for _, j := range js {
				got[j.ID]++
			}
			mu.Unlock()
			if len(js) == 0 && next.After(noon) {
				return nil
			}
		}
	}) {
		f.must(err)
	}
	equal(f, len(got), n)
	for name, times := range got {
		if times != 1 {
			f.Errorf("%s was claimed %d times", name, times)
		}
	}
}

func leases(f *fixture) {
	f.addJobs(one, newJob("a", noon))
	js, next := f.claim(noon, 9)
	equal(f, len(js), 1)
	equal(f, next, time.Time{}) // ours is not among the others
	js, next = f.claim(noon.Add(59*time.Second), 9)
	equal(f, len(js), 0)
	equal(f, next, noon.Add(time.Minute))
	js, _ = f.claim(noon.Add(time.Minute), 9)
	equal(f, len(js), 1)
	equal(f, js[0].Tries, 1)
	equal(f, js[0].RunAt, noon)
}

func advancing(f *fixture) {
	f.addJobs(one, newJob("a", noon))
	f.addJobs(other, newJob("b", noon))
	until := noon.Add(time.Minute)
	f.update(func(tx store.Tx) error { return tx.SetAdvancing(until) })
	js, next := f.claim(noon, 9)
	equal(f, names(js), "b ")
	equal(f, next, until)
	f.update(func(tx store.Tx) error { return tx.SetAdvancing(time.Time{}) })
	js, _ = f.claim(noon, 9)
	equal(f, names(js), "a ")

	f.update(func(tx store.Tx) error {
		return errors.Join(tx.SetAdvancing(until), tx.RescheduleJob(newJob("a", noon)))
	})
	js, _ = f.claim(until.Add(-time.Millisecond), 9)
	equal(f, len(js), 0)
	js, _ = f.claim(until, 9) // b's lease has ended by then
	equal(f, names(js), "a b ")
}

func shiftJobs(f *fixture) {
	f.addJobs(one, newJob("a", noon.Add(time.Hour)), newJob("b", noon.Add(2*time.Hour)))
	f.addJobs(other, newJob("c", noon.Add(time.Hour)))
	f.update(func(tx store.Tx) error { return tx.ShiftJobs(-time.Hour) })
	js, next := f.claim(noon, 9)
	equal(f, names(js), "a ")
	equal(f, js[0].Due, noon.Add(time.Hour))
	equal(f, js[0].RunAt, noon)
	equal(f, next, noon.Add(time.Hour))
	f.update(func(tx store.Tx) error { return tx.ShiftJobs(-2 * time.Hour) })
	js, _ = f.claim(noon, 9)
	equal(f, names(js), "b ") // a is leased, wherever its time went
}

func claimMerchant(f *fixture) {
	later := noon.Add(24 * time.Hour)
	f.addJobs(one, newJob("c", later), newJob("b", noon.Add(time.Hour)), newJob("a", noon.Add(time.Hour)), newJob("z", noon))
	f.addJobs(other, newJob("o", noon))
	f.update(func(tx store.Tx) error { return tx.SetAdvancing(later) })
	claim := func(due, wall time.Time, limit int) (string, int) {
		f.Helper()
		js, held, err := f.ClaimMerchantJobs(f.ctx(), one, due, wall, time.Minute, limit)
		f.must(err)
		equal(f, held.Outside, 0)
		return names(js), held.Own
	}
	got, busy := claim(noon.Add(time.Hour), noon, 2)
	equal(f, got, "z a ")
	equal(f, busy, 0)
	got, busy = claim(noon.Add(time.Hour), noon, 9)
	equal(f, got, "b ")
	equal(f, busy, 2)
	got, busy = claim(noon.Add(time.Hour), noon, 9)
	equal(f, got, "")
	equal(f, busy, 3)
	f.update(func(tx store.Tx) error { return errors.Join(tx.DeleteJob("z"), tx.SetAdvancing(time.Time{})) })
	got, busy = claim(later, noon.Add(time.Minute), 9)
	equal(f, got, "a b c ")
	equal(f, busy, 0)
	js, next := f.claim(noon.Add(time.Hour), 9) // c is due for nobody else before its time
	equal(f, names(js), "o a b ")
	equal(f, next, later)
}

// lanes: jobs that wait for others' servers are claimed and counted apart, half
// of them from the new end.
func lanes(f *fixture) {
	for i := range 6 {
		d := newJob(fmt.Sprint("d", i), noon.Add(time.Duration(i)*time.Second))
		d.Kind = store.JobDeliver
		f.addJobs(one, d)
	}
	f.addJobs(one, newJob("own", noon.Add(7*time.Second)))
	at := noon.Add(10 * time.Second)
	claim := func(limit int, lanes ...store.Lane) (string, time.Time) {
		f.Helper()
		js, next, err := f.ClaimDueJobs(f.ctx(), at, time.Minute, limit, lanes...)
		f.must(err)
		return names(js), next
	}
	got, next := claim(4, store.Outside)
	equal(f, got, "d0 d1 d4 d5 ")
	equal(f, next, noon.Add(2*time.Second))
	got, next = claim(9, store.Own)
	equal(f, got, "own ")
	equal(f, next, time.Time{})
	_, held, err := f.ClaimMerchantJobs(f.ctx(), one, at, at, time.Minute, 0)
	f.must(err)
	equal(f, held, store.Held{Own: 1, Outside: 4})
	js, held, err := f.ClaimMerchantJobs(f.ctx(), one, at, at, time.Minute, 1)
	f.must(err)
	equal(f, names(js), "d2 ")
	equal(f, held, store.Held{Own: 1, Outside: 4})
	got, next = claim(9) // of all lanes
	equal(f, got, "d3 ")
	equal(f, next, at.Add(time.Minute))
}

func claimJob(f *fixture) {
	f.addJobs(one, newJob("a", noon.Add(time.Hour)))
	f.addJobs(other, newJob("b", noon))
	claim := func(name string, at time.Time) (store.Job, bool) {
		f.Helper()
		j, ok, err := f.ClaimJob(f.ctx(), one, name, at, time.Minute)
		f.must(err)
		return j, ok
	}
	j, ok := claim("a", noon) // before its time
	equal(f, ok, true)
	want := newJob("a", noon.Add(time.Hour))
	want.Merchant = one
	equal(f, j, want)
	_, ok = claim("a", noon.Add(time.Minute-time.Millisecond))
	equal(f, ok, false)
	_, ok = claim("b", noon)
	equal(f, ok, false)
	j, ok = claim("a", noon.Add(time.Minute))
	equal(f, ok, true)
	equal(f, j.Tries, 1)
}

func answers(f *fixture) {
	a := store.Answer{Key: "k", Endpoint: "POST /x", Fingerprint: "f", RequestID: "req_1", Created: noon}
	f.update(func(tx store.Tx) error { return tx.InsertAnswer(a) })
	later := a
	later.Created, later.RequestID = noon.Add(24*time.Hour), "req_2"
	f.update(func(tx store.Tx) error {
		f.want(tx.InsertAnswer(later), store.ErrExists)
		got, err := tx.Answer("k") // the transaction can go on
		equal(f, got, a)
		return err
	})
	a.Status, a.Headers, a.Body = 200, []byte(`{}`), []byte("body")
	f.update(func(tx store.Tx) error { return tx.FinishAnswer(a) })
	f.view(func(r store.Reader) error {
		got, err := r.Answer("k")
		equal(f, got, a)
		f.want(second(r.Answer("none")), store.ErrNotFound)
		return err
	})
	later.Created = later.Created.Add(time.Millisecond)
	f.update(func(tx store.Tx) error { return tx.InsertAnswer(later) })
	f.view(func(r store.Reader) error {
		got, err := r.Answer("k")
		equal(f, got, later)
		return err
	})
	f.update(func(tx store.Tx) error { return tx.DeleteAnswer("k") })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.FinishAnswer(a) }), store.ErrStale)
	f.update(func(tx store.Tx) error { return tx.InsertAnswer(a) })
}

func pruneAnswers(f *fixture) {
	for i, key := range []string{"a", "b", "c", "d"} {
		f.must(f.Update(f.ctx(), []int64{one, other}[i%2], func(tx store.Tx) error {
			return tx.InsertAnswer(store.Answer{Key: key, Created: noon.Add(time.Duration(i) * time.Second)})
		}))
	}
	prune := func(before time.Time, limit, want int) {
		f.Helper()
		n, err := f.PruneAnswers(f.ctx(), before, limit)
		f.must(err)
		equal(f, n, want)
	}
	left := func() (keys string) {
		for m, names := range map[int64][]string{one: {"a", "c"}, other: {"b", "d"}} {
			f.must(f.View(f.ctx(), m, func(r store.Reader) error {
				for _, key := range names {
					if _, err := r.Answer(key); err == nil {
						keys += key
					}
				}
				return nil
			}))
		}
		return keys
	}
	prune(noon, 9, 0)
	prune(noon.Add(3*time.Second), 2, 2) // the oldest go first, of all merchants
	equal(f, sorted(left()), "cd")
	prune(noon.Add(3*time.Second), 2, 1)
	prune(noon.Add(3*time.Second), 2, 0)
	equal(f, left(), "d")
	prune(noon.Add(time.Hour), 0, 0)
	equal(f, left(), "d")
}

func sorted(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

func answerOnce(f *fixture) {
	const n = 8
	won := 0
	for _, err := range together(n, func(i int) error {
		mine := store.Answer{Key: "k", RequestID: fmt.Sprint(i), Created: noon}
		return f.Update(f.ctx(), one, func(tx store.Tx) error {
			err := tx.InsertAnswer(mine)
			if errors.Is(err, store.ErrExists) {
				theirs, err := tx.Answer("k")
				if err != nil || theirs.RequestID == mine.RequestID {
					return fmt.Errorf("lost to %q: %w", theirs.RequestID, err)
				}
				return errRefused
			}
			return err
		})
	}) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, errRefused):
			f.Error(err)
		}
	}
	equal(f, won, 1)
}

func deliveries(f *fixture) {
	var all []store.Delivery
	for i, name := range []string{"d1", "d2", "d3", "d4"} {
		d := store.Delivery{
			ID: name, Event: fmt.Sprint("e", i%2), Endpoint: fmt.Sprint("p", i/2), State: "pending",
			Created: noon, Next: noon, Body: []byte("{}"), Version: 1,
		}
		all = append(all, d)
		f.update(func(tx store.Tx) error { return tx.InsertDelivery(d) })
	}
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertDelivery(all[0]) }), store.ErrExists)
	list := func(event, endpoint, before string, limit int) string {
		var s string
		f.view(func(r store.Reader) error {
			ds, err := r.Deliveries(event, endpoint, before, limit)
			for _, d := range ds {
				s += d.ID + " "
			}
			return err
		})
		return s
	}
	equal(f, list("", "", "", 9), "d4 d3 d2 d1 ")
	equal(f, list("", "", "d4", 2), "d3 d2 ")
	equal(f, list("e0", "", "", 9), "d3 d1 ")
	equal(f, list("", "p0", "d2", 9), "d1 ")
	equal(f, list("e1", "p1", "", 9), "d4 ")

	f.update(func(tx store.Tx) error { return errors.Join(tx.DeleteDeliveries("e0"), tx.DeleteDeliveries("none")) })
	equal(f, list("", "", "", 9), "d4 d2 ")

	d := all[1]
	d.State, d.Next = "failed", time.Time{}
	d.Attempts = []store.Attempt{{At: noon, Status: 500, Took: time.Second, Error: "bad\x00", Response: "oops", Manual: true}}
	f.update(func(tx store.Tx) error { return tx.UpdateDelivery(d) })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateDelivery(d) }), store.ErrStale)
	d.Version = 2
	f.view(func(r store.Reader) error {
		got, err := r.Delivery("d2")
		equal(f, got, d)
		f.want(second(r.Delivery("none")), store.ErrNotFound)
		return err
	})
}

// ensureJob ensures a job after each way of losing it.
func ensureJob(f *fixture) {
	ensure := func(tx store.Tx) {
		f.Helper()
		f.must(tx.EnsureJob("a", func() (store.Job, error) { return newJob("ignored", noon), nil }))
	}
	there := func() {
		f.Helper()
		for range 2 {
			f.update(func(tx store.Tx) error { ensure(tx); return nil })
			f.view(func(r store.Reader) error {
				js, err := r.Jobs(9)
				equal(f, names(js), "a ")
				return err
			})
		}
	}
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { ensure(tx); return errRefused }), errRefused)
	there()
	f.update(func(tx store.Tx) error { return tx.DeleteJob("a") })
	there()
	f.must(f.ClearMerchant(f.ctx(), one, nil))
	there()
	f.want(f.Update(f.ctx(), other, func(tx store.Tx) error {
		return tx.EnsureJob("b", func() (store.Job, error) { return store.Job{}, errRefused })
	}), errRefused)
	js, _ := f.claim(noon, 9)
	equal(f, names(js), "a ")
	f.update(func(tx store.Tx) error { return tx.DeleteJob("a") })
	there()
}

// waitingJobs: what waits is listed in order, piece by piece, and what is claimed of
// it is what still waits.
func waitingJobs(f *fixture) {
	var deliver []store.Job
	for i := range 4 {
		d := newJob(fmt.Sprint("d", i), noon.Add(time.Duration(i/2)*time.Second))
		d.Kind = store.JobDeliver
		deliver = append(deliver, d)
	}
	f.addJobs(one, deliver[0], deliver[2], newJob("own", noon))
	f.addJobs(other, deliver[1], deliver[3])
	late := noon.Add(time.Second)
	list := func(at time.Time, after store.JobPlace, limit int) []store.JobPlace {
		f.Helper()
		ps, err := f.WaitingJobs(f.ctx(), at, store.Outside, after, limit)
		f.must(err)
		return ps
	}
	place := func(m int64, j store.Job) store.JobPlace {
		return store.JobPlace{Merchant: m, ID: j.ID, Ready: j.RunAt}
	}
	all := []store.JobPlace{place(one, deliver[0]), place(other, deliver[1]), place(one, deliver[2]), place(other, deliver[3])}
	equal(f, list(late, store.JobPlace{}, 9), all)
	equal(f, list(noon, store.JobPlace{}, 9), all[:2])
	equal(f, list(late, all[0], 2), all[1:3])

	claim := func(at time.Time, ps ...store.JobPlace) string {
		f.Helper()
		js, err := f.ClaimJobs(f.ctx(), at, time.Minute, ps)
		f.must(err)
		return names(js)
	}
	equal(f, claim(noon, all...), "d0 d1 ") // the others are not due
	equal(f, claim(late, all...), "d2 d3 ") // these are somebody's
	equal(f, len(list(late, store.JobPlace{}, 9)), 0)
	f.update(func(tx store.Tx) error {
		return errors.Join(tx.RescheduleJob(deliver[0]), tx.DeleteJob("d2"), tx.SetAdvancing(late.Add(time.Minute)))
	})
	equal(f, claim(late, all...), "") // the merchant's clock is being moved
	f.update(func(tx store.Tx) error { return tx.SetAdvancing(time.Time{}) })
	equal(f, claim(late, all...), "d0 ")
}
