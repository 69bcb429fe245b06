package portal

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
)

// accountForm is a test account's settings as their form has them.
type accountForm struct {
	Fields  []field
	Checks  []check
	Options []field // of the dialect whose key opened the session
}

type field struct {
	Name, Label, Value, Hint string
	Number                   bool
}

type check struct {
	Name, Label string
	On          bool
}

func formOf(p merchant.Profile) accountForm {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return accountForm{
		Fields: []field{
			{Name: "name", Label: "Name", Value: p.Name},
			{Name: "statement_descriptor", Label: "Statement descriptor", Value: p.Descriptor},
			{Name: "country", Label: "Country", Value: p.Country, Hint: "Two letters, ISO 3166"},
			{Name: "default_currency", Label: "Default currency", Value: string(p.DefaultCurrency)},
			{Name: "extra_currencies", Label: "Also settles in", Value: codes(p.ExtraCurrencies), Hint: "Codes, with commas between them"},
			{Name: "fee_percent", Label: "Fee of a payment, percent", Value: percent(p.FeeBasisPoints), Number: true},
			{Name: "fee_fixed", Label: "And fixed", Value: number(p.FeeFixedMinor), Number: true, Hint: "In the payment's smallest unit"},
			{Name: "dispute_fee", Label: "Fee of a dispute", Value: number(p.DisputeFeeMinor), Number: true, Hint: "In the payment's smallest unit"},
			{Name: "settlement_days", Label: "Proceeds are available after days", Value: number(int64(p.SettlementDays)), Number: true},
		},
		Checks: []check{
			{"refund_needs_funds", "Refunds cannot make the balance negative", p.RefundNeedsFunds},
			{"refund_synchronous", "Refunds are decided at once", p.RefundSynchronous},
			{"dispute_fee_kept", "The fee of a dispute that is won is kept", p.DisputeFeeKept},
		},
	}
}

// filled is the form as somebody filled it in.
func (f accountForm) filled(form url.Values) accountForm {
	for _, list := range [][]field{f.Fields, f.Options} {
		for i := range list {
			list[i].Value = form.Get(list[i].Name)
		}
	}
	for i := range f.Checks {
		f.Checks[i].On = form.Has(f.Checks[i].Name)
	}
	return f
}

func optionsOf(options []engine.Option, settings map[string]string) (list []field) {
	for _, o := range options {
		list = append(list, field{Name: o.Name, Label: o.Label, Value: settings[o.Name], Hint: o.Hint})
	}
	return list
}

// choose returns an account's settings with the options as the form has them. One
// that is empty is not set.
func (v *visit) choose(settings map[string]string) (map[string]string, error) {
	o, ok := ofFront[Optional](v)
	if !ok {
		return nil, nil
	}
	chosen := maps.Clone(settings)
	if chosen == nil {
		chosen = map[string]string{}
	}
	for _, option := range o.Options() {
		delete(chosen, option.Name)
		if value := strings.TrimSpace(v.r.PostForm.Get(option.Name)); value != "" {
			chosen[option.Name] = value
		}
	}
	if j, ok := o.(Judge); ok {
		return chosen, j.CheckSettings(chosen)
	}
	return chosen, nil
}

// percent writes hundredths of a percent.
func percent(basisPoints int64) string { return money.Of(basisPoints, hundredths).Decimal() }

// hundredths is any currency whose minor unit is one.
const hundredths = "USD"

// changeOf reads the form.
func changeOf(form url.Values) (engine.AccountChange, error) {
	var q engine.AccountChange
	text := func(name string) *string { s := strings.TrimSpace(form.Get(name)); return &s }
	on := func(name string) *bool { b := form.Has(name); return &b }
	q.Name, q.Descriptor, q.Country, q.DefaultCurrency = text("name"), text("statement_descriptor"), text("country"), text("default_currency")
	extra := strings.FieldsFunc(form.Get("extra_currencies"), func(r rune) bool { return r == ',' || r == ' ' })
	q.ExtraCurrencies = &extra
	q.RefundNeedsFunds, q.RefundSynchronous, q.DisputeFeeKept = on("refund_needs_funds"), on("refund_synchronous"), on("dispute_fee_kept")
	fee, err := money.Parse(*text("fee_percent"), hundredths)
	if err != nil {
		return q, fault.New(fault.Invalid, "bad_fee", "The fee in percent is a number like 2.90.")
	}
	q.FeeBasisPoints = &fee.Minor
	for name, to := range map[string]**int64{"fee_fixed": &q.FeeFixed, "dispute_fee": &q.DisputeFee} {
		n, err := strconv.ParseInt(*text(name), 10, 64)
		if err != nil {
			return q, fault.New(fault.Invalid, "bad_fee", "Fixed fees are whole numbers, in the smallest unit of the payment's currency.")
		}
		*to = &n
	}
	days, err := strconv.Atoi(*text("settlement_days"))
	if err != nil {
		return q, fault.New(fault.Invalid, "bad_days", "The days until proceeds are available are a whole number.")
	}
	q.SettlementDays = &days
	return q, nil
}

// changeAccount changes a test account. What is refused is said beside the form.
func (v *visit) changeAccount() error {
	q, err := changeOf(v.r.PostForm)
	if err == nil {
		err = v.update(func(t *engine.Tx) (err error) {
			if q.Settings, err = v.choose(t.Who.Profile.Settings); err != nil {
				return err
			}
			return t.ChangeAccount(q)
		})
	}
	if fault.KindOf(err) == fault.Invalid && fault.CodeOf(err) != "live_account" {
		return v.showSettings(http.StatusBadRequest, settingsPage{Error: v.wordsOf(v.w, v.r, err)})
	}
	if err != nil {
		return err
	}
	for _, f := range v.Fronts {
		f.Forget(v.merchant)
	}
	http.Redirect(v.w, v.r, Root+"/settings?done=account", http.StatusSeeOther)
	return nil
}
