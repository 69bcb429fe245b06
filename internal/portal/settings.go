package portal

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

type settingsPage struct {
	frame
	Switches   bool // the key's dialect has methods to switch
	Methods    []engine.MethodSwitch
	Facts      []engine.Detail
	Done       bool
	MethodsOff string
}

// settings shows which methods are on and what else is set of the account.
func (v *visit) settings() error {
	page := settingsPage{Done: v.r.URL.Query().Get("done") == "methods"}
	if err := v.view(func(r store.Reader, m merchant.Merchant, at time.Time) (err error) {
		page.frame = v.frame("Settings", "settings", m, at)
		page.Facts = accountFacts(m)
		if s, ok := v.switcher(); ok {
			page.Switches = true
			page.Methods, err = s.Methods(r, m)
		}
		return err
	}); err != nil {
		return err
	}
	v.write(v.w, v.r, http.StatusOK, "settings", page)
	return nil
}

// switcher is the dialect whose key opened the session, if it has methods to turn
// on and off.
func (v *visit) switcher() (Switcher, bool) {
	f, err := v.front(v.name)
	if err != nil {
		return nil, false
	}
	s, ok := f.(Switcher)
	return s, ok
}

// switchMethods turns on the methods that the form names and off those it leaves
// out, as check boxes do. Those the account may not have are left alone.
func (v *visit) switchMethods() error {
	wanted := v.r.PostForm["method"]
	s, ok := v.switcher()
	if !ok {
		return fault.New(fault.Conflict, "no_switches", "The methods of this account are not switched here.")
	}
	if err := v.update(func(t *engine.Tx) error {
		methods, err := s.Methods(t, t.Who)
		if err != nil {
			return err
		}
		on := map[string]bool{}
		for _, m := range methods {
			if !m.Barred {
				on[m.Method] = slices.Contains(wanted, m.Method)
			}
		}
		for _, name := range wanted {
			if _, ok := on[name]; !ok {
				return fault.Newf(fault.Invalid, "bad_method", "%q is not a payment method that can be switched here.", clip(name))
			}
		}
		return s.SwitchMethods(t, on)
	}); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, Root+"/settings?done=methods", http.StatusSeeOther)
	return nil
}

// accountFacts are an account's settings, in words. They are changed by the
// control API in a sandbox, and by whoever runs the server for a live account.
func accountFacts(m merchant.Merchant) []engine.Detail {
	p := m.Profile
	fee := fmt.Sprintf("%s %% and %d in the smallest unit of the currency", money.Of(p.FeeBasisPoints, "EUR").Decimal(), p.FeeFixedMinor)
	facts := []engine.Detail{
		{Label: "Name", Value: p.Name}, {Label: "Account", Value: m.Account}, {Label: "Mode", Value: pick(m.Live, "Live", "Test")}, {Label: "Country", Value: p.Country},
		{Label: "Default currency", Value: string(p.DefaultCurrency)}, {Label: "Also settles in", Value: codes(p.ExtraCurrencies)},
		{Label: "Statement descriptor", Value: p.Descriptor},
		{Label: "Fee of a payment", Value: fee}, {Label: "Fee of a dispute", Value: fmt.Sprintf("%d in the smallest unit of the currency", p.DisputeFeeMinor)},
		{Label: "Fee of a dispute that is won", Value: pick(p.DisputeFeeKept, "is kept", "is given back")},
		{Label: "Proceeds are available after", Value: fmt.Sprintf("%d days", p.SettlementDays)},
		{Label: "Refunds", Value: pick(p.RefundNeedsFunds, "only as far as the balance covers them", "may make the balance negative") + pick(p.RefundSynchronous, "; decided at once", "")},
		{Label: "Methods the account may not have", Value: strings.Join(p.MethodsOff, ", ")},
		{Label: "Clock", Value: clock(m.Offset)},
	}
	for _, k := range slices.Sorted(maps.Keys(p.Settings)) {
		facts = append(facts, engine.Detail{Label: k, Value: p.Settings[k]})
	}
	return slices.DeleteFunc(facts, func(d engine.Detail) bool { return d.Value == "" })
}

func clock(offset time.Duration) string {
	if offset == 0 {
		return "the wall's, in UTC"
	}
	return "ahead of the wall's by " + offset.Round(time.Second).String()
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func codes(cs []money.Currency) string {
	var list []string
	for _, c := range cs {
		list = append(list, string(c))
	}
	return strings.Join(list, ", ")
}
