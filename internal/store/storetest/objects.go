package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

// newRow makes a row with an id of our own.
func (f *fixture) newRow(kind string) resource.Row {
	name := f.ids.New("obj_", noon)
	s, _ := id.Sort(name)
	return resource.Row{Kind: kind, ID: name, Sort: s, Created: noon, Version: 1, Body: []byte(`{"a":1}`)}
}

func resources(f *fixture) {
	ours, foreign := f.newRow("x.y"), f.newRow("x.y")
	ours.Keys = []resource.Key{{Name: "parent", Value: "p"}, {Name: "parent", Value: "q"}}
	ours.Payment = "pay_1"
	foreign.ID, foreign.Body = "their own id", nil
	foreign.Keys = []resource.Key{{Name: "parent", Value: "p"}}
	odd := f.newRow("x.y")
	odd.Sort = "elsewhere" // of our shape, yet placed otherwise
	number, chosen := f.newRow("x.y"), f.newRow("x.y")
	number.ID, chosen.ID = id.Number(noon, 1), id.Number(noon, 2) // the second only looks like one of ours
	number.Sort, _ = id.SortNumber(number.ID)
	for _, r := range []resource.Row{ours, foreign, odd, number, chosen} {
		f.update(func(tx store.Tx) error { return tx.InsertResource(r) })
	}
	find := func(name string, want resource.Row) {
		f.Helper()
		f.view(func(r store.Reader) error {
			got, err := r.Resource("x.y", name)
			equal(f, got, want)
			return err
		})
	}
	find(ours.ID, ours)
	find(foreign.ID, foreign)
	find(odd.ID, odd)
	find(number.ID, number)
	find(chosen.ID, chosen)
	f.view(func(r store.Reader) error {
		f.want(second(r.Resource("x.z", ours.ID)), store.ErrNotFound)
		f.want(second(r.Resource("x.y", strings.Replace(ours.ID, "obj_", "no_", 1))), store.ErrNotFound)
		f.want(second(r.Resource("x.y", id.Number(noon, 3))), store.ErrNotFound)
		f.want(second(r.ResourceBy("x.y", "parent", "none")), store.ErrNotFound)
		got, err := r.ResourceBy("x.y", "parent", "p")
		equal(f, got, foreign)
		return err
	})

	ours.Body, ours.Payment = []byte("new"), "pay_2"
	f.update(func(tx store.Tx) error { return tx.UpdateResource(ours) })
	ours.Version = 2
	find(ours.ID, ours)
	f.update(func(tx store.Tx) error { return tx.DeleteResource("x.y", foreign.ID) })
	f.update(func(tx store.Tx) error { return tx.DeleteResource("x.y", foreign.ID) })
	f.view(func(r store.Reader) error {
		f.want(second(r.Resource("x.y", foreign.ID)), store.ErrNotFound)
		got, err := r.ResourceBy("x.y", "parent", "p")
		equal(f, got, ours)
		return err
	})
	f.update(func(tx store.Tx) error { return tx.InsertResource(foreign) })
	find(foreign.ID, foreign)
}

// first inserts rows that have to be the first with a key, or are not there at all.
func first(f *fixture) {
	row := func(kind, value, mustBe string) resource.Row {
		r := f.newRow(kind)
		r.Keys, r.First = []resource.Key{{Name: "parent", Value: "p"}, {Name: "name", Value: value}, {Name: "parent", Value: "q"}}, mustBe
		return r
	}
	insert := func(r resource.Row) error {
		return f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertResource(r) })
	}
	a, late := row("x.y", "a", "name"), row("x.y", "a", "name")
	for _, r := range []resource.Row{a, row("x.y", "b", "name"), row("x.z", "a", "name")} {
		f.must(insert(r))
	}
	f.must(f.Update(f.ctx(), other, func(tx store.Tx) error { return tx.InsertResource(row("x.y", "a", "name")) }))
	f.want(insert(late), store.ErrStale)
	named := func(want ...resource.Row) {
		f.Helper()
		f.view(func(r store.Reader) error {
			got, err := r.Resources(store.List{Kind: "x.y", Key: "name", Value: "a", And: []resource.Key{{Name: "parent", Value: "q"}}, Limit: 10})
			equal(f, got, want)
			return err
		})
	}
	a.First = "" // which is not kept
	named(a)
	late.First = ""
	f.must(insert(late))
	named(late, a)
}

// few asks for the same rows after each way of changing them, in the transaction
// that does it and in the next: an engine may remember the former answer.
func few(f *fixture) {
	a, b := f.newRow("x.y"), f.newRow("x.y")
	want := func(r store.Reader, rows ...resource.Row) {
		f.Helper()
		got, err := r.Few("x.y")
		f.must(err)
		equal(f, len(got), len(rows))
		for i, row := range rows {
			equal(f, got[i].ID, row.ID)
			equal(f, got[i].Body, row.Body)
			got[i] = resource.Row{} // the answer is its receiver's
		}
	}
	current := func(rows ...resource.Row) {
		f.Helper()
		for range 2 {
			f.update(func(tx store.Tx) error { want(tx, rows...); return nil })
			f.view(func(r store.Reader) error { want(r, rows...); return nil })
		}
	}
	current()
	change := func(do func(tx store.Tx) error, rows ...resource.Row) {
		f.Helper()
		f.want(f.Update(f.ctx(), one, func(tx store.Tx) error {
			f.must(do(tx))
			want(tx, rows...)
			return errRefused
		}), errRefused)
		f.update(func(tx store.Tx) error {
			want(tx) // what was remembered before must not stay
			return nil
		})
	}
	change(func(tx store.Tx) error { return tx.InsertResource(a) }, a)
	f.update(func(tx store.Tx) error { return tx.InsertResource(a) })
	current(a)
	f.update(func(tx store.Tx) error { return tx.InsertResource(b) })
	f.update(func(tx store.Tx) error { return tx.InsertResource(f.newRow("x.z")) })
	current(b, a)
	a.Body = []byte("new")
	f.update(func(tx store.Tx) error { return tx.UpdateResource(a) })
	current(b, a)
	a.Version, a.Body = 2, []byte("newer")
	f.update(func(tx store.Tx) error { return tx.RekeyResource(a, []resource.Key{{Name: "n", Value: "v"}}) })
	current(b, a)
	f.update(func(tx store.Tx) error { return tx.DeleteResource("x.y", b.ID) })
	current(a)
	f.must(f.Update(f.ctx(), other, func(tx store.Tx) error { want(tx); return nil }))
	f.must(f.ClearMerchant(f.ctx(), one, nil))
	current()
}

func resourceConflicts(f *fixture) {
	a, b := f.newRow("x.y"), f.newRow("x.y")
	b.ID = "chosen"
	f.update(func(tx store.Tx) error { return errors.Join(tx.InsertResource(a), tx.InsertResource(b)) })
	sameID, sameSort := f.newRow("x.y"), f.newRow("x.y")
	sameID.ID, sameSort.Sort = "chosen", a.Sort
	for _, r := range []resource.Row{a, sameID, sameSort} {
		f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertResource(r) }), store.ErrExists)
	}
	a.Version = 5
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateResource(a) }), store.ErrStale)
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateResource(f.newRow("x.y")) }), store.ErrStale)
}

func windows(f *fixture) {
	const all = "abcdefgh"
	f.update(func(tx store.Tx) error {
		for i, c := range all {
			r := resource.Row{Kind: "k", ID: "id-" + string(c), Sort: string(c), Created: noon}
			if i%2 == 0 {
				r.Keys = []resource.Key{{Name: "even", Value: "yes"}}
			}
			f.must(tx.InsertResource(r))
		}
		return nil
	})
	for _, c := range []struct {
		q    store.List
		want string
	}{
		{store.List{Limit: 3}, "hgf"},
		{store.List{Limit: 100}, "hgfedcba"},
		{store.List{Limit: 0}, ""},
		{store.List{Before: "f", Limit: 2}, "ed"},
		{store.List{After: "c", Limit: 3}, "hgf"},
		{store.List{After: "c", Oldest: true, Limit: 3}, "fed"},
		{store.List{After: "c", Before: "f", Limit: 9}, "ed"},
		{store.List{From: "c", Before: "f", Limit: 9}, "edc"},
		{store.List{From: "c", After: "c", Limit: 9}, "hgfed"},
		{store.List{From: "c", After: "b", Limit: 9}, "hgfedc"},
		{store.List{From: "b", After: "c", Limit: 9}, "hgfed"},
		{store.List{From: "bb", Oldest: true, Limit: 2}, "dc"},
		{store.List{Oldest: true, Limit: 2}, "ba"},
		{store.List{Key: "even", Value: "yes", Limit: 9}, "geca"},
		{store.List{Key: "even", Value: "yes", After: "a", Before: "g", Limit: 9}, "ec"},
		{store.List{Key: "even", Value: "yes", From: "c", Oldest: true, Limit: 2}, "ec"},
		{store.List{Key: "even", Value: "no", Limit: 9}, ""},
	} {
		c.q.Kind = "k"
		f.view(func(r store.Reader) error {
			rows, err := r.Resources(c.q)
			var got string
			for _, row := range rows {
				got += row.Sort
			}
			if got != c.want {
				f.Errorf("%+v: got %q, want %q", c.q, got, c.want)
			}
			n, cerr := r.CountResources(c.q)
			if c.q.Limit == 9 && n != int64(len(c.want)) {
				f.Errorf("%+v: counted %d, want %d", c.q, n, len(c.want))
			}
			return errors.Join(err, cerr)
		})
	}
}

// rekeyed: keys follow a row's state, and several can be asked for at once.
func rekeyed(f *fixture) {
	var rows []resource.Row
	for i := range 4 {
		r := f.newRow("k")
		r.Keys = []resource.Key{{Name: "state", Value: "open"}, {Name: "of", Value: strings.Repeat("x", 1+i%2)}}
		f.update(func(tx store.Tx) error { return tx.InsertResource(r) })
		rows = append(rows, r)
	}
	sees := func(q store.List, want ...int) {
		f.Helper()
		q.Kind, q.Limit = "k", 9
		f.view(func(r store.Reader) error {
			got, err := r.Resources(q)
			var ids, wanted []string
			for _, row := range got {
				ids = append(ids, row.ID)
			}
			for _, i := range want {
				wanted = append(wanted, rows[i].ID)
			}
			equal(f, ids, wanted)
			return err
		})
	}
	open, x := resource.Key{Name: "state", Value: "open"}, resource.Key{Name: "of", Value: "x"}
	sees(store.List{Key: "state", Value: "open"}, 3, 2, 1, 0)
	sees(store.List{Key: "of", Value: "x", And: []resource.Key{open}}, 2, 0)
	sees(store.List{And: []resource.Key{open, x}}, 2, 0)
	sees(store.List{And: []resource.Key{open, x}, After: rows[0].Sort, Oldest: true}, 2)

	many := []resource.Key{{Name: "state", Value: "closed"}, x}
	for i := range 20 { // more than one statement takes
		many = append(many, resource.Key{Name: "tag", Value: string(rune('a' + i))})
	}
	closed := rows[2]
	closed.Body = []byte("closed")
	f.update(func(tx store.Tx) error {
		f.must(tx.RekeyResource(closed, many))
		got, err := tx.ResourceBy("k", "state", "closed")
		equal(f, got.ID, closed.ID)
		return err
	})
	closed.Keys, closed.Version = many, 2
	f.view(func(r store.Reader) error {
		got, err := r.Resource("k", closed.ID)
		equal(f, got, closed)
		return err
	})
	sees(store.List{Key: "state", Value: "open"}, 3, 1, 0)
	sees(store.List{Key: "of", Value: "x", And: []resource.Key{open}}, 0)
	sees(store.List{Key: "tag", Value: "t", And: []resource.Key{x, {Name: "tag", Value: "a"}}}, 2)
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.RekeyResource(rows[2], nil) }), store.ErrStale)
	sees(store.List{Key: "tag", Value: "t"}, 2)
	f.update(func(tx store.Tx) error { return tx.RekeyResource(closed, nil) })
	sees(store.List{Key: "tag", Value: "t"})
	f.update(func(tx store.Tx) error { return tx.DeleteResource("k", closed.ID) })
	sees(store.List{}, 3, 1, 0)
}

func byteOrder(f *fixture) {
	want := []string{"é", "z", "b", "a", "_", "Z", "B", "9", "-"}
	f.update(func(tx store.Tx) error {
		for _, s := range want {
			f.must(tx.InsertResource(resource.Row{Kind: "k", ID: "id" + s, Sort: s}))
		}
		return nil
	})
	f.view(func(r store.Reader) error {
		rows, err := r.Resources(store.List{Kind: "k", Limit: 20})
		var got []string
		for _, row := range rows {
			got = append(got, row.Sort)
		}
		equal(f, got, want)
		return err
	})
}

func (f *fixture) newPayment() payment.Payment {
	return payment.New(payment.Payment{
		ID: f.ids.New("pay_", noon), Front: "x", Owner: "obj_1", Kind: "x.y", Product: "goods", Method: "wallet",
		Amount: money.Of(1099, "EUR"), Created: noon, Secret: "s", Script: `{"a":"b"}`,
		AutoCapture: true, Descriptor: "SHOP 1", Agreement: "agr_1",
	}, "att_1", "sim", noon, noon.Add(time.Hour))
}

func captured(f *fixture, p *payment.Payment) {
	f.Helper()
	f.must(p.Approve(payment.Evidence{At: noon, Until: noon.Add(time.Hour), Reference: "r", Payer: "pp"}))
	c, ok := p.Capturable(noon)
	equal(f, ok, true)
	c.Begin("op")
	f.must(p.Capture("op", p.Amount, noon.Add(time.Minute)))
}

func payments(f *fixture) {
	var all []payment.Payment
	for range 3 {
		p := f.newPayment()
		f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
		p.Version = 1
		all = append(all, p)
	}
	list := func(after string, limit int) (ps []payment.Payment) {
		f.view(func(r store.Reader) (err error) {
			ps, err = r.Payments(after, limit)
			return err
		})
		return ps
	}
	equal(f, list("", 9), all)
	equal(f, list(all[0].ID, 1), all[1:2])
	f.view(func(r store.Reader) error {
		newest, err := r.PaymentsBefore("", 2)
		equal(f, newest, []payment.Payment{all[2], all[1]})
		older, oerr := r.PaymentsBefore(all[1].ID, 9)
		equal(f, older, all[:1])
		return errors.Join(err, oerr)
	})

	p := all[1]
	f.must(p.Redirect("ref"))
	step := func() { f.Helper(); f.step(&p) }
	step()
	f.must(p.Approve(payment.Evidence{At: noon, Until: noon.Add(time.Hour), Payer: "pp"}))
	c, _ := p.Capturable(noon)
	c.Begin("op")
	step()
	f.must(p.Capture("op", money.Of(1000, "EUR"), noon))
	step()
	equal(f, list("", 9), []payment.Payment{all[0], p, all[2]})
}

// step stores a payment that has moved on, and reads it.
func (f *fixture) step(p *payment.Payment) {
	f.Helper()
	f.update(func(tx store.Tx) error { return tx.UpdatePayment(*p) })
	p.Version++
	f.view(func(r store.Reader) error {
		got, err := r.Payment(p.ID)
		equal(f, got, *p)
		return err
	})
}

// capturedParts checks that parts of an authorisation add up, and that the
// database refuses sums that do not fit the state.
func capturedParts(f *fixture) {
	p := f.newPayment()
	f.must(p.Approve(payment.Evidence{At: noon, Until: noon.Add(time.Hour)}))
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	p.Version = 1
	step := func() { f.Helper(); f.step(&p) }
	part := func(name string, minor int64) {
		f.Helper()
		c, ok := p.Capturable(noon)
		equal(f, ok, true)
		c.Begin(name)
		f.must(p.CapturePart(name, money.Of(minor, "EUR"), noon.Add(time.Minute)))
		step()
	}
	part("one", 300)
	proof, ok := p.Refundable(money.Of(100, "EUR"))
	equal(f, ok, true)
	proof.Refund("re_1", noon)
	step()
	part("two", 400)
	for name, s := range map[string]payment.Stored{
		"less":                 {State: "authorized", CapturedMinor: 600, RefundedMinor: 100},
		"captured and voided":  {State: "voided", CapturedMinor: 700, RefundedMinor: 100},
		"captured and expired": {State: "expired", CapturedMinor: 700, RefundedMinor: 100},
		"nothing captured":     {State: "captured"},
	} {
		wrong, err := payment.Restore(p, s)
		f.must(err)
		if f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdatePayment(wrong) }) == nil {
			f.Errorf("%s: the database took it", name)
		}
	}
	held, err := p.Void()
	f.must(err)
	equal(f, held, true)
	equal(f, p.State(), payment.Captured)
	step()
	equal(f, p.CapturedAmount(), money.Of(700, "EUR"))
}

// attempts checks that an attempt that is followed by another is kept as it
// ended, and that one which is not over cannot be followed.
func attempts(f *fixture) {
	p := f.newPayment()
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	p.Version = 1
	early := p
	early.Attempt.ID = "att_2"
	if f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdatePayment(early) }) == nil {
		f.Error("an attempt was begun while another had not ended")
	}
	want := []payment.Attempt{}
	list := func() {
		f.Helper()
		f.view(func(r store.Reader) error {
			got, err := r.Attempts(p.ID)
			equal(f, got, append(want, p.Attempt))
			return err
		})
	}
	list()
	for i := range 2 {
		f.must(p.Approve(payment.Evidence{At: noon, Until: noon.Add(time.Hour), Reference: "r", Payer: "pp"}))
		f.update(func(tx store.Tx) error { return tx.UpdatePayment(p) })
		p.Version++
		held, err := p.Refuse(payment.ProcessingError)
		f.must(err)
		equal(f, held, true)
		f.update(func(tx store.Tx) error { return tx.UpdatePayment(p) })
		p.Version++
		want = append(want, p.Attempt)
		again, ok := p.Retryable()
		equal(f, ok, true)
		p.Method, p.Amount = "card", money.Of(500+int64(i), "USD")
		at := noon.Add(time.Duration(i) * time.Minute)
		again.Begin(f.ids.New("att_", at), "sim2", at, noon.Add(2*time.Hour))
		f.update(func(tx store.Tx) error { return tx.UpdatePayment(p) })
		p.Version++
		list()
	}
	f.view(func(r store.Reader) error {
		none, err := r.Attempts("none")
		equal(f, len(none), 0)
		return err
	})
}

func paymentVersions(f *fixture) {
	p := f.newPayment()
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertPayment(p) }), store.ErrExists)
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdatePayment(p) }), store.ErrStale)
	p.Version = 1
	f.want(f.Update(f.ctx(), other, func(tx store.Tx) error { return tx.UpdatePayment(p) }), store.ErrStale)
	f.view(func(r store.Reader) error {
		f.want(second(r.Payment("none")), store.ErrNotFound)
		return nil
	})
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return second(tx.Payment("none")) }), store.ErrNotFound)
}

// versions: those of the rows and payments that are there, however many are asked
// for, and of nobody else's.
func versions(f *fixture) {
	rows, payments, want, paid := []string{"theirs"}, []string{"none"}, map[string]int64{}, map[string]int64{}
	for i := range 23 {
		r, p := f.newRow("k"), f.newPayment()
		f.update(func(tx store.Tx) error { return errors.Join(tx.InsertResource(r), tx.InsertPayment(p)) })
		if i%2 == 0 {
			p.Version = 1
			f.update(func(tx store.Tx) error { return errors.Join(tx.UpdateResource(r), tx.UpdatePayment(p)) })
		}
		rows, payments = append(rows, r.ID), append(payments, p.ID)
		want[r.ID], paid[p.ID] = int64(2-i%2), int64(2-i%2)
	}
	f.view(func(r store.Reader) error {
		got, err := r.ResourceVersions("k", rows)
		equal(f, got, want)
		of, perr := r.PaymentVersions(payments)
		equal(f, of, paid)
		elsewhere, eerr := r.ResourceVersions("l", rows)
		none, nerr := r.PaymentVersions(nil)
		equal(f, len(elsewhere)+len(none), 0)
		return errors.Join(err, perr, eerr, nerr)
	})
	f.must(f.View(f.ctx(), other, func(r store.Reader) error {
		got, err := r.ResourceVersions("k", rows)
		of, perr := r.PaymentVersions(payments)
		equal(f, len(got)+len(of), 0)
		return errors.Join(err, perr)
	}))
}

// illegalMove tries every pair of states, those that the machine forbids too.
func illegalMove(f *fixture) {
	legal := edges()
	for _, from := range payment.States {
		for _, to := range payment.States {
			p := f.newPayment()
			p = restored(f, p, from)
			f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
			p.Version = 1
			p = restored(f, p, to)
			err := f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdatePayment(p) })
			if ok := from == to || legal[[2]string{from.String(), to.String()}]; ok != (err == nil) {
				f.Errorf("%s to %s: %v", from, to, err)
			}
		}
	}
}

func restored(f *fixture, p payment.Payment, s payment.State) payment.Payment {
	f.Helper()
	stored := payment.Stored{State: s.String()}
	if s == payment.Captured {
		stored.CapturedMinor = p.Amount.Minor
	}
	p, err := payment.Restore(p, stored)
	f.must(err)
	return p
}

func refunds(f *fixture) {
	p := f.newPayment()
	captured(f, &p)
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	p.Version = 1
	var all []payment.Refund
	for i, name := range []string{"re_b", "re_a"} {
		can, ok := p.Refundable(money.Of(100, "EUR"))
		equal(f, ok, true)
		r := can.Refund(name, noon.Add(time.Duration(i)*time.Second))
		f.update(func(tx store.Tx) error { return errors.Join(tx.UpdatePayment(p), tx.InsertRefund(r)) })
		p.Version++
		r.Version = 1
		all = append(all, r)
	}
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertRefund(all[0]) }), store.ErrExists)
	f.must(all[1].Fail(&p, payment.InsufficientFunds))
	f.update(func(tx store.Tx) error { return errors.Join(tx.UpdateRefund(all[1]), tx.UpdatePayment(p)) })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateRefund(all[1]) }), store.ErrStale)
	all[1].Version, p.Version = 2, p.Version+1
	f.update(func(tx store.Tx) error {
		got, err := tx.Refund("re_a")
		equal(f, got, all[1])
		f.want(second(tx.Refund("re_c")), store.ErrNotFound)
		return err
	})
	f.view(func(r store.Reader) error {
		list, err := r.Refunds(p.ID)
		equal(f, list, all)
		equal(f, slices.IsSortedFunc(list, func(a, b payment.Refund) int { return a.Created.Compare(b.Created) }), true)
		got, perr := r.Payment(p.ID)
		equal(f, got, p)
		return errors.Join(err, perr)
	})
}

func disputes(f *fixture) {
	p := f.newPayment()
	captured(f, &p)
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	p.Version = 1
	can, ok := p.Disputable(money.Of(100, "EUR"))
	equal(f, ok, true)
	d := can.Open("dsp_1", "general", money.Of(15, "EUR"), noon, noon.Add(time.Hour))
	f.update(func(tx store.Tx) error { return errors.Join(tx.UpdatePayment(p), tx.InsertDispute(d)) })
	p.Version, d.Version = 2, 1
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.InsertDispute(d) }), store.ErrExists)
	f.must(d.Answer(noon))
	f.update(func(tx store.Tx) error { return tx.UpdateDispute(d) })
	f.want(f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateDispute(d) }), store.ErrStale)
	d.Version = 2
	f.update(func(tx store.Tx) error {
		got, err := tx.Dispute("dsp_1")
		equal(f, got, d)
		f.want(second(tx.Dispute("dsp_2")), store.ErrNotFound)
		back, perr := tx.Payment(p.ID)
		equal(f, back.Dispute(), "dsp_1")
		return errors.Join(err, perr)
	})
	f.want(disputeAs(f, other, "dsp_1"), store.ErrNotFound)
	inquiries(f)
}

// inquiries: a dispute that began as an inquiry keeps what escalating changes,
// and the database knows the moves.
func inquiries(f *fixture) {
	p := f.newPayment()
	captured(f, &p)
	f.update(func(tx store.Tx) error { return tx.InsertPayment(p) })
	p.Version = 1
	can, ok := p.Disputable(money.Of(100, "EUR"))
	equal(f, ok, true)
	d := can.Inquire("dsp_3", "general", noon, noon.Add(time.Hour))
	f.update(func(tx store.Tx) error { return errors.Join(tx.UpdatePayment(p), tx.InsertDispute(d)) })
	p.Version, d.Version = 2, 1
	f.must(d.Answer(noon))
	f.update(func(tx store.Tx) error {
		back, err := tx.Payment(p.ID)
		equal(f, back, p)
		return errors.Join(err, tx.UpdateDispute(d))
	})
	d.Version = 2
	f.must(d.Escalate(&p, money.Of(60, "EUR"), money.Of(15, "EUR"), noon.Add(2*time.Hour)))
	f.update(func(tx store.Tx) error { return errors.Join(tx.UpdatePayment(p), tx.UpdateDispute(d)) })
	p.Version, d.Version = 3, 3
	f.must(f.View(f.ctx(), one, func(r store.Reader) error {
		got, err := r.Dispute(d.ID)
		equal(f, got, d)
		back, perr := r.Payment(p.ID)
		equal(f, back, p)
		return errors.Join(err, perr)
	}))
	illegal, err := payment.RestoreDispute(d, payment.InquiryClosed.String())
	f.must(err)
	if err := f.Update(f.ctx(), one, func(tx store.Tx) error { return tx.UpdateDispute(illegal) }); err == nil {
		f.Error("a dispute that withdrew money became an inquiry again")
	}
}

// disputeAs reads a dispute as another merchant.
func disputeAs(f *fixture, merchantID int64, id string) error {
	return f.View(f.ctx(), merchantID, func(r store.Reader) error { return second(r.Dispute(id)) })
}
