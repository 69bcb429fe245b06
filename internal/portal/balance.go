package portal

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/ledger"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

const (
	// transfersShown is how many transfers of a period the page shows; the file has
	// them all.
	transfersShown = 100
	// periodDefault is how long the period is that nobody asked for.
	periodDefault = 7
	settledShown  = 50
	// summedMax is how many transfers of a period the page adds up.
	summedMax = 20_000
)

// purse is what an account has in one currency.
type purse struct {
	Currency                                    string
	Available, Pending, Disputed, Held, PaidOut string
	Negative                                    bool
}

type balancePage struct {
	frame
	Purses      []purse
	From, To    string // days, UTC, both inclusive
	Transfers   []ledger.Transfer
	More        bool // the period has more than are shown
	Moves       []move
	Unsummed    bool // and more than are added up
	File        string
	Settlements []engine.Settlement
}

// balance shows what the account has, its transfers in a period and what left for
// the bank.
func (v *visit) balance() error {
	var page balancePage
	var p period
	if err := v.view(func(r store.Reader, m merchant.Merchant, at time.Time) (err error) {
		page.frame = v.frame("Balance", "balance", m, at)
		if p, err = periodOf(v.r.URL.Query(), at); err != nil {
			return err
		}
		books, err := r.Balances()
		if err != nil {
			return err
		}
		page.Purses = purses(books, m.Profile.DefaultCurrency)
		page.Settlements, err = v.settlements(r)
		return err
	}); err != nil {
		return err
	}
	page.From, page.To = p.from.Format(time.DateOnly), p.to.AddDate(0, 0, -1).Format(time.DateOnly)
	page.File = Root + "/transfers.csv?" + url.Values{"from": {page.From}, "to": {page.To}}.Encode()
	sums, n := moves{}, 0
	err := v.Engine.Period(v.r.Context(), v.merchant, p.from, p.to, func(ts []ledger.Transfer) error {
		if n += len(ts); n > summedMax {
			page.Unsummed = true
			return errEnough
		}
		sums.add(ts)
		page.Transfers = append(page.Transfers, ts[:min(len(ts), transfersShown-len(page.Transfers))]...)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if page.More = n > transfersShown; !page.Unsummed {
		page.Moves = sums.list()
	}
	v.write(v.w, v.r, http.StatusOK, "balance", page)
	return nil
}

var errEnough = errors.New("portal: enough")

// purses sums the books by currency; the default one is always there.
func purses(books ledger.Balances, byDefault money.Currency) []purse {
	currencies := map[money.Currency]bool{byDefault: true}
	for k := range books {
		currencies[k.Currency] = true
	}
	var list []purse
	for _, c := range slices.Sorted(maps.Keys(currencies)) {
		has := func(a ledger.Account) string { return money.Of(books[ledger.Key{Account: a, Currency: c}], c).String() }
		list = append(list, purse{
			Currency: string(c), Available: has(ledger.Available), Pending: money.Of(books.Pending(c), c).String(), Disputed: has(ledger.Disputed),
			Held: has(ledger.Hold), PaidOut: has(ledger.Payouts), Negative: books[ledger.Key{Account: ledger.Available, Currency: c}] < 0,
		})
	}
	return list
}

// move is what came to an account, and left it, in a period.
type move struct {
	Account       string // settlement days count as one
	In, Out, Rest money.Amount
}

// moves are sums by account and currency.
type moves map[ledger.Key]move

func (m moves) add(ts []ledger.Transfer) {
	for _, t := range ts {
		none := money.Of(0, t.Amount.Currency)
		m.change(t.Credit, t.Amount, none)
		m.change(t.Debit, none, t.Amount)
	}
}

func (m moves) change(a ledger.Account, in, out money.Amount) {
	if a.IsPending() {
		a = "pending"
	}
	k, none := ledger.Key{Account: a, Currency: in.Currency}, money.Of(0, in.Currency)
	was, ok := m[k]
	if !ok {
		was = move{Account: string(a), In: none, Out: none, Rest: none}
	}
	m[k] = move{Account: was.Account, In: was.In.Add(in), Out: was.Out.Add(out), Rest: was.Rest.Add(in).Sub(out)}
}

// list orders them by currency and account.
func (m moves) list() []move {
	list := slices.Collect(maps.Values(m))
	slices.SortFunc(list, func(a, b move) int {
		return cmp.Or(cmp.Compare(a.In.Currency, b.In.Currency), cmp.Compare(a.Account, b.Account))
	})
	return list
}

// settlements are those of all dialects, newest first.
func (v *visit) settlements(r store.Reader) ([]engine.Settlement, error) {
	var all []engine.Settlement
	for _, f := range v.Fronts {
		if s, ok := f.(Settler); ok {
			some, err := s.Settlements(r)
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	slices.SortStableFunc(all, func(a, b engine.Settlement) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID))
	})
	return all[:min(len(all), settledShown)], nil
}

// period is [from, to), of whole days in UTC.
type period struct{ from, to time.Time }

// periodOf reads a period's days, both inclusive; without them it is the last few.
func periodOf(q url.Values, at time.Time) (period, error) {
	today := at.UTC().Truncate(24 * time.Hour)
	p := period{from: today.AddDate(0, 0, 1-periodDefault), to: today}
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"from", &p.from}, {"to", &p.to}} {
		s := q.Get(f.name)
		if s == "" {
			continue
		}
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return p, fault.Newf(fault.Invalid, "bad_period", "%q is not a day; write it like %s.", clip(s), today.Format(time.DateOnly))
		}
		*f.to = day
	}
	if p.to.Before(p.from) {
		return p, fault.New(fault.Invalid, "bad_period", "The period ends before it begins.")
	}
	p.to = p.to.AddDate(0, 0, 1)
	return p, nil
}

// fileHeader names the columns: times are UTC, amounts integers in the currency's
// minor unit, of which so many digits make a unit of the currency.
var fileHeader = []string{"posted_at_utc", "transfer_id", "payment_id", "debit_account", "credit_account", "currency", "amount_minor_units", "minor_unit_digits"}

// transfersFile sends a period's transfers as CSV, as they are read. Once it has
// begun, an error can only cut it off, which the client notices.
func (v *visit) transfersFile() error {
	var p period
	if err := v.view(func(_ store.Reader, m merchant.Merchant, at time.Time) (err error) {
		p, err = periodOf(v.r.URL.Query(), at)
		return err
	}); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="transfers_%s_%s.csv"`, p.from.Format(time.DateOnly), p.to.AddDate(0, 0, -1).Format(time.DateOnly)))
	out := csv.NewWriter(v.w)
	if err := out.Write(fileHeader); err != nil {
		return err
	}
	err := v.Engine.Period(v.r.Context(), v.merchant, p.from, p.to, func(ts []ledger.Transfer) error {
		for _, t := range ts {
			if err := out.Write(fileLine(t)); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	})
	out.Flush()
	if err = errors.Join(err, out.Error()); err != nil {
		v.Log.Error("a file of transfers broke off", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func fileLine(t ledger.Transfer) []string {
	c := t.Amount.Currency
	return []string{
		t.At.UTC().Format("2006-01-02T15:04:05.000Z"), t.ID, t.Payment, string(t.Debit), string(t.Credit),
		string(c), strconv.FormatInt(t.Amount.Minor, 10), strconv.Itoa(c.Exponent()),
	}
}
