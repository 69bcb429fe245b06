package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

func migrateTwice(f *fixture) {
	for _, err := range together(4, func(int) error { return f.Migrate(f.ctx()) }) {
		f.must(err)
	}
	f.must(f.Ping(f.ctx()))
}

func merchants(f *fixture) {
	m := newMerchant(one)
	f.must(f.CreateMerchant(f.ctx(), merchant.Merchant{ID: one, Account: "acct_else"}))
	f.view(func(r store.Reader) error {
		got, err := r.Merchant()
		equal(f, got, m)
		return err
	})

	m.Offset, m.Profile.Name = 90*time.Minute+time.Nanosecond, "New"
	f.update(func(tx store.Tx) error { return tx.UpdateMerchant(m) })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateMerchant(m) }), store.ErrStale)
	m.Version = 2
	f.view(func(r store.Reader) error {
		got, err := r.Merchant()
		equal(f, got, m)
		return err
	})
	f.want(f.Update(f.ctx(), 7, func(tx store.Tx) error {
		_, err := tx.Merchant()
		return err
	}), store.ErrNotFound)

	f.addMerchant(live)
	ids, err := f.MerchantIDs(f.ctx(), one, 10)
	f.must(err)
	equal(f, ids, []int64{other, live})
	ids, err = f.MerchantIDs(f.ctx(), 0, 2)
	f.must(err)
	equal(f, ids, []int64{one, other})
}

// merchantIsCurrent looks at a merchant from updates before, in and after
// transactions that change it, kept and undone ones.
func merchantIsCurrent(f *fixture) {
	name := func(tx store.Tx) string {
		m, err := tx.Merchant()
		f.must(err)
		return m.Profile.Name
	}
	rename := func(tx store.Tx, to string) {
		m, err := tx.Merchant()
		f.must(err)
		m.Profile.Name = to
		f.must(tx.UpdateMerchant(m))
		equal(f, name(tx), to)
	}
	first := newMerchant(one).Profile.Name
	f.update(func(tx store.Tx) error { equal(f, name(tx), first); return nil })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { rename(tx, "Undone"); return errRefused }), errRefused)
	f.update(func(tx store.Tx) error { equal(f, name(tx), first); return nil })
	f.update(func(tx store.Tx) error { rename(tx, "Kept"); return nil })
	f.update(func(tx store.Tx) error { equal(f, name(tx), "Kept"); return nil })
	f.update(func(tx store.Tx) error {
		m, err := tx.Merchant()
		m.Profile.Settings["changed"] = "by its receiver"
		return err
	})
	f.update(func(tx store.Tx) error {
		m, err := tx.Merchant()
		equal(f, m.Profile.Settings, newMerchant(one).Profile.Settings)
		return err
	})
}

func credentials(f *fixture) {
	c := store.Credential{Hash: []byte{0, 1, 0xff}, Merchant: one, Kind: "secret", Created: noon}
	_, err := f.Credential(f.ctx(), c.Hash)
	f.want(err, store.ErrNotFound)
	f.must(f.PutCredential(f.ctx(), c))
	got, err := f.Credential(f.ctx(), c.Hash)
	f.must(err)
	equal(f, got, c)
	c.Kind, c.Permissions, c.Revoked = "restricted", []string{"a_read", "b_write"}, true
	f.must(f.PutCredential(f.ctx(), c))
	got, err = f.Credential(f.ctx(), c.Hash)
	f.must(err)
	equal(f, got, c)

	passing := store.Credential{Hash: []byte{1}, Merchant: one, Kind: "passing", Created: noon}
	lasting := store.Credential{Hash: []byte{2}, Merchant: other, Kind: "passing", Created: noon.Add(time.Millisecond)}
	f.must(errors.Join(f.PutCredential(f.ctx(), passing), f.PutCredential(f.ctx(), lasting)))
	f.must(f.PruneCredentials(f.ctx(), "passing", lasting.Created))
	for _, k := range []store.Credential{lasting, c} {
		got, err = f.Credential(f.ctx(), k.Hash)
		f.must(err)
		equal(f, got, k)
	}
	_, err = f.Credential(f.ctx(), passing.Hash)
	f.want(err, store.ErrNotFound)
}

func settings(f *fixture) {
	f.want(second(f.Setting(f.ctx(), "key", nil)), store.ErrNotFound)
	values := make(chan string, 8)
	for _, err := range together(8, func(i int) error {
		v, err := f.Setting(f.ctx(), "key", []byte{byte('a' + i)})
		values <- string(v)
		return err
	}) {
		f.must(err)
	}
	first := <-values
	for range 7 {
		equal(f, <-values, first)
	}
	v, err := f.Setting(f.ctx(), "key", []byte("later"))
	f.must(err)
	equal(f, string(v), first)
}

// fill writes something into every table.
func (f *fixture) fill(m int64) {
	p := f.newPayment()
	captured(f, &p)
	refund, _ := p.Refundable(money.Of(100, "EUR"))
	r := refund.Refund("re_1", noon)
	a := f.newAgreement()
	f.must(f.Update(f.ctx(), m, func(tx store.Tx) error {
		return errors.Join(
			tx.InsertAgreement(a), tx.InsertAgreementToken(agreement.Token{Hash: []byte("t"), Agreement: a.ID, Created: noon, Until: noon}),
			tx.InsertPayment(p), tx.InsertRefund(r), tx.Post(f.transfer(3)), tx.Record(f.fact()),
			tx.InsertResource(resource.Row{Kind: "x.y", ID: "shared", Sort: "s", Created: noon, Keys: []resource.Key{{Name: "k", Value: "v"}}}),
			tx.InsertJob(store.Job{ID: "j", Kind: "k", Due: noon, RunAt: noon}),
			tx.InsertAnswer(store.Answer{Key: "key", Created: noon}),
			tx.InsertDelivery(store.Delivery{ID: "d", Event: "e", Endpoint: "p", Created: noon}),
		)
	}))
}

// census counts what a merchant has.
func (f *fixture) census(m int64) map[string]int {
	n := map[string]int{}
	f.must(f.View(f.ctx(), m, func(r store.Reader) error {
		rows, err1 := r.Resources(store.List{Kind: "x.y", Limit: 10})
		keyed, err2 := r.Resources(store.List{Kind: "x.y", Key: "k", Value: "v", Limit: 10})
		ps, err3 := r.Payments("", 10)
		ts, _, err4 := r.Transfers(0, 10)
		fs, _, err5 := r.Facts(0, 10)
		js, err6 := r.Jobs(10)
		ds, err7 := r.Deliveries("", "", "", 10)
		b, err8 := r.Balances()
		as, err9 := r.Agreements("", 10)
		n["agreement"] = len(as)
		n["resource"], n["keyed"], n["payment"], n["transfer"] = len(rows), len(keyed), len(ps), len(ts)
		n["fact"], n["job"], n["delivery"], n["balance"] = len(fs), len(js), len(ds), len(b)
		for what, err := range map[string]error{
			"shared": second(r.Resource("x.y", "shared")), "by key": second(r.ResourceBy("x.y", "k", "v")),
			"refund": second(r.Refund("re_1")), "answer": second(r.Answer("key")), "one delivery": second(r.Delivery("d")),
			"token": second(r.AgreementToken([]byte("t"))),
		} {
			if err == nil {
				n[what] = 1
			} else if n[what] = 0; !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9)
	}))
	return n
}

func second[T any](_ T, err error) error { return err }

func clearMerchant(f *fixture) {
	f.addMerchant(live)
	empty := f.census(one)
	for _, m := range []int64{one, other, live} {
		f.fill(m)
	}
	full := f.census(one)
	f.must(f.PutCredential(f.ctx(), store.Credential{Hash: []byte("h"), Merchant: one}))
	f.must(f.ClearMerchant(f.ctx(), one, nil))
	equal(f, f.census(one), empty)
	equal(f, f.census(other), full)
	f.must(second(f.Credential(f.ctx(), []byte("h"))))
	f.fill(one)
	equal(f, f.census(one), full)

	if f.ClearMerchant(f.ctx(), live, nil) == nil {
		f.Fatal("a live merchant was cleared")
	}
	equal(f, f.census(live), full)
	f.want(f.ClearMerchant(f.ctx(), 7, nil), store.ErrNotFound)

	f.want(f.ClearMerchant(f.ctx(), one, func(store.Tx) error { return errRefused }), errRefused)
	equal(f, f.census(one), full)
	f.must(f.ClearMerchant(f.ctx(), one, func(tx store.Tx) error {
		m, err := tx.Merchant()
		m.Profile.Name = "Cleared"
		return errors.Join(err, tx.UpdateMerchant(m))
	}))
	equal(f, f.census(one), empty)
	f.view(func(r store.Reader) error {
		m, err := r.Merchant()
		equal(f, m.Profile.Name, "Cleared")
		return err
	})
}

// clearedMeanwhile: what others write while a merchant is cleared is cleared with
// everything else or is there in full.
func clearedMeanwhile(f *fixture) {
	const rounds = 20
	for _, err := range together(5, func(i int) error {
		for n := range rounds {
			if i == 0 {
				if err := f.ClearMerchant(f.ctx(), one, nil); err != nil {
					return err
				}
				continue
			}
			id := fmt.Sprintf("%d_%d", i, n)
			p := payment.New(payment.Payment{ID: "pay_" + id, Amount: money.Of(5, "EUR")}, "att_"+id, "sim", noon, noon)
			insert := f.Update(f.ctx(), one, func(tx store.Tx) error {
				return errors.Join(tx.InsertPayment(p), tx.InsertResource(resource.Row{Kind: "x.y", ID: id, Sort: id, Created: noon}))
			})
			dispute := f.Update(f.ctx(), one, func(tx store.Tx) error {
				if _, err := tx.Payment(p.ID); errors.Is(err, store.ErrNotFound) {
					return nil // cleared
				} else if err != nil {
					return err
				}
				d := payment.Dispute{ID: "dsp_" + id, Payment: p.ID, Amount: money.Of(5, "EUR"), Created: noon, Deadline: noon}
				return errors.Join(tx.InsertDispute(d), tx.InsertJob(newJob(id, noon)))
			})
			if err := errors.Join(insert, dispute); err != nil {
				return err
			}
		}
		return nil
	}) {
		f.must(err)
	}
	f.view(func(r store.Reader) error {
		ps, err1 := r.Payments("", 1000)
		js, err2 := r.Jobs(1000)
		rows, err3 := r.Resources(store.List{Kind: "x.y", Limit: 1000})
		equal(f, len(js), len(ps)) // the last of all is not cleared
		equal(f, len(rows), len(ps))
		return errors.Join(err1, err2, err3)
	})
}

func isolation(f *fixture) {
	empty := f.census(one)
	f.fill(one)
	equal(f, f.census(other), empty)
	full := f.census(one)
	f.must(f.Update(f.ctx(), other, func(tx store.Tx) error {
		return errors.Join(tx.DeleteResource("x.y", "shared"), tx.DeleteJob("j"), tx.DeleteAnswer("key"), tx.ShiftJobs(time.Hour))
	}))
	equal(f, f.census(one), full)
	f.fill(other) // the same keys collide with nothing
	equal(f, f.census(other), full)
}

var errRefused = errors.New("refused")

func rollBack(f *fixture) {
	empty := f.census(one)
	p := f.newPayment()
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error {
		f.must(errors.Join(tx.InsertPayment(p), tx.Post(f.transfer(1)), tx.InsertAnswer(store.Answer{Key: "key", Created: noon})))
		return fmt.Errorf("wrapped: %w", errRefused)
	}), errRefused)
	equal(f, f.census(one), empty)
	f.fill(one)
}

func failedStatement(f *fixture) {
	p := f.newPayment()
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	err := f.Update(f.ctx(), one, func(tx store.Tx) error {
		_ = tx.Post(f.transfer(1))
		_ = tx.InsertPayment(p)
		_ = tx.Post(f.transfer(1))
		return nil
	})
	f.want(err, store.ErrExists)
	equal(f, f.census(one)["transfer"], 0)
}

func ownWrites(f *fixture) {
	p := f.newPayment()
	f.update(func(tx store.Tx) error {
		f.must(errors.Join(tx.InsertPayment(p), tx.Post(f.transfer(7)), tx.InsertJob(store.Job{ID: "a", Due: noon, RunAt: noon})))
		got, err := tx.Payment(p.ID)
		f.must(err)
		equal(f, got.Version, 1)
		f.must(got.Redirect("ref"))
		f.must(tx.UpdatePayment(got))
		got, err = tx.Payment(p.ID)
		f.must(err)
		equal(f, got.Attempt.Reference, "ref")
		equal(f, got.Version, 2)
		js, err := tx.Jobs(10)
		f.must(err)
		equal(f, len(js), 1)
		b, err := tx.Balances()
		equal(f, len(b), 2)
		return err
	})
}

//go:noinline
func boom() { panic("boom") }

func panics(f *fixture) {
	for range 3 {
		func() {
			defer func() {
				v := recover()
				if stack := string(store.PanicStack(v)); !strings.Contains(stack, "storetest.boom(") {
					f.Errorf("the stack does not show where it came from:\n%s", stack)
				}
				if p, ok := v.(*store.Panic); ok {
					v = p.Value
				}
				equal(f, v, any("boom"))
			}()
			_ = f.Update(f.ctx(), one, func(tx store.Tx) error {
				f.must(tx.Post(f.transfer(1)))
				f.must(second(tx.Merchant()))
				boom()
				return nil
			})
		}()
	}
	equal(f, f.census(one)["transfer"], 0)
	f.fill(one)
}

func cancelled(f *fixture) {
	ctx, cancel := context.WithCancel(f.ctx())
	cancel()
	f.want(f.Update(ctx, one, func(tx store.Tx) error { return tx.Post(f.transfer(1)) }), context.Canceled)
	equal(f, f.census(one)["transfer"], 0)
}

func snapshot(f *fixture) {
	f.view(func(r store.Reader) error {
		before, _, err := r.Transfers(0, 10)
		f.must(err)
		f.must(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.Post(f.transfer(1)) }))
		after, _, err := r.Transfers(0, 10)
		equal(f, len(after), len(before))
		return err
	})
	equal(f, f.census(one)["transfer"], 1)
}

func lostUpdate(f *fixture) {
	const n = 24
	p := f.newPayment()
	p.Script = ""
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	for _, err := range together(n, func(i int) error {
		return f.Update(f.ctx(), one, func(tx store.Tx) error {
			p, err := tx.Payment(p.ID)
			if err != nil {
				return err
			}
			p.Script += "x"
			m, err := tx.Merchant()
			if err != nil {
				return err
			}
			if i%8 == 0 { // rows that are not locked are checked by version
				m.Profile.Name += "y"
				if err := tx.UpdateMerchant(m); err != nil {
					return err
				}
			}
			return tx.UpdatePayment(p)
		})
	}) {
		f.must(err)
	}
	f.view(func(r store.Reader) error {
		got, err := r.Payment(p.ID)
		equal(f, len(got.Script), n)
		equal(f, got.Version, n+1)
		m, merr := r.Merchant()
		equal(f, m.Profile.Name, newMerchant(one).Profile.Name+"yyy")
		return errors.Join(err, merr)
	})
}

func badText(f *fixture) {
	for _, bad := range []string{"a\x00b", "\x00", "a\xffb"} {
		for name, fn := range map[string]func(tx store.Tx) error{
			"resource": func(tx store.Tx) error { return tx.InsertResource(resource.Row{Kind: "k", ID: bad, Sort: "s"}) },
			"key": func(tx store.Tx) error {
				return tx.InsertResource(resource.Row{Kind: "k", ID: "i", Sort: "s", Keys: []resource.Key{{Name: "n", Value: bad}}})
			},
			"job":    func(tx store.Tx) error { return tx.InsertJob(store.Job{ID: bad}) },
			"answer": func(tx store.Tx) error { return tx.InsertAnswer(store.Answer{Key: bad}) },
			"ignored": func(tx store.Tx) error {
				_ = tx.InsertJob(store.Job{ID: bad})
				return nil
			},
		} {
			if f.Update(f.ctx(), one, fn) == nil {
				f.Errorf("%s: %q was stored", name, bad)
			}
		}
		f.view(func(r store.Reader) error {
			f.want(second(r.Resource("k", bad)), store.ErrNotFound)
			f.want(second(r.Payment(bad)), store.ErrNotFound)
			return nil
		})
	}
	equal(f, f.census(one)["job"], 0)
}
