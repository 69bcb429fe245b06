package engine

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
)

// AccountChange is what can be changed of a test account, by the names of the
// control API. What is nil stays.
type AccountChange struct {
	Name              *string           `json:"name"`
	Country           *string           `json:"country"`
	DefaultCurrency   *string           `json:"default_currency"`
	ExtraCurrencies   *[]string         `json:"extra_currencies"`
	MethodsOff        *[]string         `json:"methods_off"`
	Descriptor        *string           `json:"statement_descriptor"`
	FeeBasisPoints    *int64            `json:"fee_basis_points"`
	FeeFixed          *int64            `json:"fee_fixed"`   // minor units, of whatever currency
	DisputeFee        *int64            `json:"dispute_fee"` // the same
	SettlementDays    *int              `json:"settlement_days"`
	RefundSynchronous *bool             `json:"refund_synchronous"`
	RefundNeedsFunds  *bool             `json:"refund_needs_funds"`
	DisputeFeeKept    *bool             `json:"dispute_fee_kept"`
	Settings          map[string]string `json:"settings"` // the dialects' own, checked by them
}

// accountTextMax is how long an account's name and descriptor may be, in
// characters.
const accountTextMax = 255

// settingMax is how long a setting may be, in characters.
const settingMax = 2048

// ChangeAccount changes the transaction's account. A live one is changed by whoever
// runs the server.
func (t *Tx) ChangeAccount(q AccountChange) error {
	if t.Who.Live {
		return fault.New(fault.Invalid, "live_account", "A live account cannot be changed here.")
	}
	if err := q.apply(&t.Who.Profile); err != nil {
		return err
	}
	return t.UpdateMerchant(t.Who)
}

func badAccount(format string, args ...any) error {
	return fault.Newf(fault.Invalid, "bad_account", format, args...)
}

func (q AccountChange) apply(p *merchant.Profile) error {
	set(&p.Name, q.Name)
	set(&p.Descriptor, q.Descriptor)
	for _, f := range [][2]string{{"name", p.Name}, {"statement_descriptor", p.Descriptor}} {
		if !line(f[1], accountTextMax) {
			return badAccount("%s is text of one line and at most %d characters.", f[0], accountTextMax)
		}
	}
	set(&p.FeeBasisPoints, q.FeeBasisPoints)
	set(&p.FeeFixedMinor, q.FeeFixed)
	set(&p.DisputeFeeMinor, q.DisputeFee)
	set(&p.SettlementDays, q.SettlementDays)
	set(&p.RefundSynchronous, q.RefundSynchronous)
	set(&p.RefundNeedsFunds, q.RefundNeedsFunds)
	set(&p.DisputeFeeKept, q.DisputeFeeKept)
	if p.FeeBasisPoints < 0 || p.FeeBasisPoints > 10000 || p.FeeFixedMinor < 0 || p.DisputeFeeMinor < 0 || p.SettlementDays < 0 || p.SettlementDays > 365 {
		return badAccount("fee_basis_points must be 0 to 10000, fee_fixed and dispute_fee not negative, settlement_days 0 to 365.")
	}
	if q.MethodsOff != nil {
		for _, m := range *q.MethodsOff {
			if !slices.ContainsFunc(method.All(), func(r method.Rules) bool { return r.Method == m }) {
				return badAccount("methods_off: %q is not a payment method.", m)
			}
		}
		p.MethodsOff = *q.MethodsOff
	}
	if q.Settings != nil {
		for name, value := range q.Settings {
			if !line(name, settingMax) || !line(value, settingMax) {
				return badAccount("settings: %q is text of one line and at most %d characters.", name, settingMax)
			}
		}
		p.Settings = q.Settings
	}
	return q.move(p)
}

// line reports whether s is text of one line and no more characters than max.
func line(s string, max int) bool {
	return utf8.RuneCountInString(s) <= max && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' })
}

// move changes where an account is and what it settles in.
func (q AccountChange) move(p *merchant.Profile) error {
	if q.Country != nil {
		p.Country = strings.ToUpper(*q.Country)
		if len(p.Country) != 2 || strings.Trim(p.Country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return badAccount("country must be a two-letter ISO 3166 code.")
		}
	}
	if q.DefaultCurrency != nil {
		c, ok := money.ParseCurrency(*q.DefaultCurrency)
		if !ok {
			return badAccount("default_currency %q is not a currency.", *q.DefaultCurrency)
		}
		p.DefaultCurrency = c
	}
	if q.ExtraCurrencies != nil {
		p.ExtraCurrencies = nil
		for _, s := range *q.ExtraCurrencies {
			c, ok := money.ParseCurrency(s)
			if !ok {
				return badAccount("extra_currencies: %q is not a currency.", s)
			}
			p.ExtraCurrencies = append(p.ExtraCurrencies, c)
		}
	}
	return nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}
