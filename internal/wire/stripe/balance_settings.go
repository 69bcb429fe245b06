package stripe

import (
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// settingDebitNegative is where an account keeps whether a negative balance may
// be taken from its bank account.
const settingDebitNegative = "stripe.debit_negative_balances"

// Bounds of balance settings.
const (
	delayDaysMax = 365
	minimumMax   = 99_999_999_999 // minor units
)

// weekdays are the days payouts can leave on in a week.
var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday"}

func retrieveBalanceSettings(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) { return balanceSettings(*v.merchant), nil })
}

func balanceSettings(m merchant.Merchant) obj {
	s := m.Profile.Payouts
	schedule := obj{"interval": "manual"}
	if s.Interval != merchant.Manual {
		schedule["interval"] = string(s.Interval)
	}
	if len(s.Days) > 0 {
		days := []any{}
		for _, d := range s.Days {
			days = append(days, d)
		}
		schedule["monthly_payout_days"] = days
	}
	if len(s.Weekdays) > 0 {
		days := []any{}
		for _, d := range s.Weekdays {
			days = append(days, weekdays[d-time.Monday])
		}
		schedule["weekly_payout_days"] = days
	}
	var minimum any
	if len(s.Minimum) > 0 {
		by := obj{}
		for c, n := range s.Minimum {
			by[c.Lower()] = n
		}
		minimum = by
	}
	status := "enabled"
	if m.Live {
		status = "disabled" // no bank is connected
	}
	timing := obj{"delay_days": m.Profile.SettlementDays, "start_of_day": nil}
	if m.Profile.SettlementDays != merchant.SettlementDays {
		timing["delay_days_override"] = m.Profile.SettlementDays
	}
	return obj{"object": "balance_settings", "payments": obj{
		"debit_negative_balances": m.Profile.Settings[settingDebitNegative] == "true",
		"payouts": obj{
			"automatic_transfer_rules_by_currency": nil, "minimum_balance_by_currency": minimum, "schedule": schedule,
			"statement_descriptor": nullable(m.Profile.Settings[settingPayoutDescriptor]), "status": status,
		},
		"settlement_timing": timing,
	}}
}

// settingsChange is a decoded change of an account's balance settings.
type settingsChange struct {
	payouts    merchant.PayoutSchedule
	settings   map[string]string
	settlement int
}

// updateBalanceSettings changes when funds become available and when they are
// paid out. It concerns what happens from then on.
func updateBalanceSettings(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			was := t.Who
			ch := settingsChange{payouts: was.Profile.Payouts, settings: was.Profile.Settings, settlement: was.Profile.SettlementDays}
			if err := ch.decode(c.params.Get("payments")); err != nil {
				return err
			}
			t.Who.Profile.Settings, t.Who.Profile.SettlementDays = ch.settings, ch.settlement
			if err := t.SchedulePayouts(c.api, ch.payouts); err != nil {
				return translate(err).kept()
			}
			return c.api.emit(t, message{typ: "balance_settings.updated", render: func(v *view) (obj, obj, error) {
				o := balanceSettings(*v.merchant)
				return o, v.changed(balanceSettings(was), o), nil
			}})
		},
		finish: func(t *engine.Tx) (obj, error) { return balanceSettings(t.Who), nil },
	}, nil
}

func (ch *settingsChange) decode(payments form.Value) error {
	h, _, err := hash(payments, "payments")
	if err != nil {
		return err
	}
	if err := members(h, "payments", "debit_negative_balances", "payouts", "settlement_timing"); err != nil {
		return err
	}
	if v := h.Get("debit_negative_balances"); v.Kind() != form.Missing {
		debit, err := boolean(v, "payments[debit_negative_balances]", false)
		if err != nil {
			return err
		}
		ch.settings = cloneWith(ch.settings, settingDebitNegative, map[bool]string{true: "true", false: "false"}[debit])
	}
	if err := ch.decodePayouts(h.Get("payouts")); err != nil {
		return err
	}
	return ch.decodeTiming(h.Get("settlement_timing"))
}

func (ch *settingsChange) decodePayouts(v form.Value) error {
	const name = "payments[payouts]"
	h, _, err := hash(v, name)
	if err != nil {
		return err
	}
	if err := members(h, name, "automatic_transfer_rules_by_currency", "minimum_balance_by_currency", "schedule", "statement_descriptor"); err != nil {
		return err
	}
	if r := h.Get("automatic_transfer_rules_by_currency"); r.Kind() != form.Missing && (r.Kind() != form.Scalar || r.String() != "") {
		return invalid("", name+"[automatic_transfer_rules_by_currency]", "Automatic transfers to payout methods are not offered by this server.")
	}
	s, set, err := text(h.Get("statement_descriptor"), name+"[statement_descriptor]", payoutDescriptorMax)
	if err != nil {
		return err
	}
	if set {
		ch.settings = cloneWith(ch.settings, settingPayoutDescriptor, s)
	}
	if err := ch.decodeMinimum(h.Get("minimum_balance_by_currency"), name+"[minimum_balance_by_currency]"); err != nil {
		return err
	}
	return ch.decodeSchedule(h.Get("schedule"), name+"[schedule]")
}

// decodeMinimum merges what has to stay behind; "" clears one currency's or all.
func (ch *settingsChange) decodeMinimum(v form.Value, name string) error {
	if v.Kind() == form.Scalar && v.String() == "" {
		ch.payouts.Minimum = nil
		return nil
	}
	h, set, err := hash(v, name)
	if err != nil || !set {
		return err
	}
	least := map[money.Currency]int64{}
	for c, n := range ch.payouts.Minimum {
		least[c] = n
	}
	for k := range h.Keys() {
		param := name + "[" + k + "]"
		cur, ok := money.ParseCurrency(k)
		if !ok {
			return invalid("", param, "Invalid currency: %s.", k)
		}
		if s := h.Get(k); s.Kind() == form.Scalar && s.String() == "" {
			delete(least, cur)
			continue
		}
		n, _, err := integer(h.Get(k), param)
		if err != nil {
			return err
		}
		if n < 0 || n > minimumMax {
			return invalid("parameter_invalid_integer", param, "This value must be between 0 and %d.", int64(minimumMax))
		}
		if least[cur] = n; n == 0 {
			delete(least, cur)
		}
	}
	ch.payouts.Minimum = least
	return nil
}

// decodeSchedule replaces the schedule: the days belong to their interval.
func (ch *settingsChange) decodeSchedule(v form.Value, name string) error {
	h, set, err := hash(v, name)
	if err != nil || !set {
		return err
	}
	if err := members(h, name, "interval", "monthly_payout_days", "weekly_payout_days"); err != nil {
		return err
	}
	interval, set, err := oneOf(h.Get("interval"), name+"[interval]", "daily", "manual", "monthly", "weekly")
	if err != nil {
		return err
	}
	s := ch.payouts
	if set {
		s.Interval, s.Days, s.Weekdays = merchant.Interval(interval), nil, nil
	}
	if interval == "manual" {
		s.Interval = merchant.Manual
	}
	if s.Days, err = monthDays(h.Get("monthly_payout_days"), name+"[monthly_payout_days]", s.Days); err != nil {
		return err
	}
	if s.Weekdays, err = weekDays(h.Get("weekly_payout_days"), name+"[weekly_payout_days]", s.Weekdays); err != nil {
		return err
	}
	switch {
	case s.Interval == merchant.Monthly && len(s.Days) == 0:
		return missingParam(name + "[monthly_payout_days]")
	case s.Interval == merchant.Weekly && len(s.Weekdays) == 0:
		return missingParam(name + "[weekly_payout_days]")
	case s.Interval != merchant.Monthly && len(s.Days) > 0:
		return invalid("", name+"[monthly_payout_days]", "Days of the month can only be given with the interval monthly.")
	case s.Interval != merchant.Weekly && len(s.Weekdays) > 0:
		return invalid("", name+"[weekly_payout_days]", "Days of the week can only be given with the interval weekly.")
	}
	ch.payouts = s
	return nil
}

func monthDays(v form.Value, name string, stored []int) ([]int, error) {
	items, set, err := elements(v, name)
	if err != nil || !set {
		return stored, err
	}
	var days []int
	for _, item := range items {
		n, _, err := integer(item, name)
		if err != nil {
			return nil, err
		}
		if n < 1 || n > 31 {
			return nil, invalid("parameter_invalid_integer", name, "Days of the month must be between 1 and 31.")
		}
		if !slices.Contains(days, int(n)) {
			days = append(days, int(n))
		}
	}
	slices.Sort(days)
	return days, nil
}

func weekDays(v form.Value, name string, stored []time.Weekday) ([]time.Weekday, error) {
	items, set, err := elements(v, name)
	if err != nil || !set {
		return stored, err
	}
	var days []time.Weekday
	for _, item := range items {
		s, _, err := oneOf(item, name, weekdays...)
		if err != nil {
			return nil, err
		}
		if d := time.Weekday(slices.Index(weekdays, strings.ToLower(s))) + time.Monday; !slices.Contains(days, d) {
			days = append(days, d)
		}
	}
	slices.Sort(days)
	return days, nil
}

func (ch *settingsChange) decodeTiming(v form.Value) error {
	const name = "payments[settlement_timing]"
	h, _, err := hash(v, name)
	if err != nil {
		return err
	}
	if err := members(h, name, "delay_days_override", "start_of_day"); err != nil {
		return err
	}
	if s := h.Get("start_of_day"); s.Kind() != form.Missing && (s.Kind() != form.Scalar || s.String() != "") {
		return invalid("", name+"[start_of_day]", "Days begin at midnight UTC on this server; another beginning cannot be chosen.")
	}
	d := h.Get("delay_days_override")
	if d.Kind() == form.Scalar && d.String() == "" {
		ch.settlement = merchant.SettlementDays
		return nil
	}
	n, set, err := integer(d, name+"[delay_days_override]")
	if err != nil || !set {
		return err
	}
	if n < 0 || n > delayDaysMax {
		return invalid("parameter_invalid_integer", name+"[delay_days_override]", "This value must be between 0 and %d.", delayDaysMax)
	}
	ch.settlement = int(n)
	return nil
}
