package portal

import (
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
	Switches  bool // the key's dialect has methods to switch
	Methods   []engine.MethodSwitch
	Listens   bool // and addresses with secrets
	Listeners []engine.Listener
	Facts     []engine.Detail
	Form      accountForm

	Done, Error string
	Secret      string // a new one, shown this once
	SecretOf    string
}

// saved are the words after something was saved, by their key in the address.
var saved = map[string]string{
	"methods": "Saved. The next payment follows it.",
	"account": "Saved.",
}

// settings shows which methods are on and what else is set of the account.
func (v *visit) settings() error {
	return v.showSettings(http.StatusOK, settingsPage{Done: saved[v.r.URL.Query().Get("done")]})
}

func (v *visit) showSettings(status int, page settingsPage) error {
	if err := v.view(func(r store.Reader, m merchant.Merchant, at time.Time) (err error) {
		page.frame = v.frame("Settings", "settings", m, at)
		page.Facts = accountFacts(m)
		form := formOf(m.Profile)
		if o, ok := ofFront[Optional](v); ok {
			form.Options = optionsOf(o.Options(), m.Profile.Settings)
		}
		if page.Form = form; page.Error != "" {
			page.Form = form.filled(v.r.PostForm)
		}
		if s, ok := ofFront[Switcher](v); ok {
			page.Switches = true
			if page.Methods, err = s.Methods(r, m); err != nil {
				return err
			}
		}
		if l, ok := ofFront[Listening](v); ok {
			page.Listens = true
			page.Listeners, err = l.Listeners(r)
		}
		return err
	}); err != nil {
		return err
	}
	v.write(v.w, v.r, status, "settings", page)
	return nil
}

// ofFront is the dialect whose key opened the session, if it is a T as well.
func ofFront[T any](v *visit) (T, bool) {
	f, err := v.front(v.name)
	if err != nil {
		var none T
		return none, false
	}
	t, ok := f.(T)
	return t, ok
}

// switchMethods turns on the methods that the form names and off those it leaves
// out, as check boxes do. Those the account may not have are left alone.
func (v *visit) switchMethods() error {
	wanted := v.r.PostForm["method"]
	s, ok := ofFront[Switcher](v)
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

// secretKept is how long a secret that was replaced signs beside the new one.
const secretKept = 24 * time.Hour

// rollSecret gives an address a new secret, and shows it this once. A form that is
// sent twice does it once: the secret that is in use would sign no longer.
func (v *visit) rollSecret() error {
	l, ok := ofFront[Listening](v)
	if !ok {
		return fault.New(fault.Conflict, "no_secrets", "There are no secrets to roll in this account.")
	}
	page := settingsPage{SecretOf: v.r.PostForm.Get("id")}
	if err := v.update(func(t *engine.Tx) error {
		list, err := l.Listeners(t)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(e engine.Listener) bool { return e.ID == page.SecretOf && e.Mark != v.r.PostForm.Get("mark") }) {
			return fault.New(fault.Conflict, "changed", "The secret has been rolled since this page was shown, perhaps because the button was pressed twice. Nothing was changed now.")
		}
		page.Secret, err = l.RollSecret(t, page.SecretOf, secretKept)
		return err
	}); err != nil {
		return err
	}
	return v.showSettings(http.StatusOK, page)
}

// accountFacts are an account's settings, in words.
// Those of a test account's form are not repeated for it.
func accountFacts(m merchant.Merchant) []engine.Detail {
	p := m.Profile
	facts := []engine.Detail{{Label: "Account", Value: m.Account}, {Label: "Mode", Value: pick(m.Live, "Live", "Test")}}
	if m.Live {
		facts = append(facts, terms(p)...)
	}
	facts = append(facts, engine.Detail{Label: "Methods the account may not have", Value: strings.Join(p.MethodsOff, ", ")}, engine.Detail{Label: "Clock", Value: clock(m.Offset)})
	if m.Live {
		for _, k := range slices.Sorted(maps.Keys(p.Settings)) {
			facts = append(facts, engine.Detail{Label: k, Value: p.Settings[k]})
		}
	}
	return slices.DeleteFunc(facts, func(d engine.Detail) bool { return d.Value == "" })
}

// terms are what an account was given, in words.
func terms(p merchant.Profile) []engine.Detail {
	form := formOf(p)
	var list []engine.Detail
	for _, f := range form.Fields {
		list = append(list, engine.Detail{Label: f.Label, Value: f.Value})
	}
	for _, c := range form.Checks {
		list = append(list, engine.Detail{Label: c.Label, Value: pick(c.On, "Yes", "No")})
	}
	return list
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
