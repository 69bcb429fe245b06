package stripe

import (
	"errors"
	"strconv"
	"time"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// Endpoints that do nothing but fail are disabled (stripe-platform §9.4): in
// live mode, nine days after the first failure without a success since; a
// warning comes after three. In test mode only if the account says so.
const (
	disableDaysLive = 9
	disableDaysMax  = 365
	warnAfter       = 3 * 24 * time.Hour
)

// settingDisableDays is the account's own number of days; "0" is never.
const settingDisableDays = "stripe.webhook_disable_days"

// health is how an endpoint has been doing. It is written when that changes, not
// with every delivery.
type health struct {
	FailingSince time.Time `json:"failing_since,omitzero"` // first of the failures since the last success; merchant's time
	Warned       bool      `json:"warned,omitempty"`
	GivenUp      time.Time `json:"given_up,omitzero"` // when it was disabled for failing
}

// disableAfter is how long an account's endpoints may fail, or false for ever.
func disableAfter(m merchant.Merchant) (time.Duration, bool) {
	days := 0
	if m.Live {
		days = disableDaysLive
	}
	if s, ok := m.Profile.Settings[settingDisableDays]; ok {
		if n, err := strconv.Atoi(s); err == nil {
			days = n
		}
	}
	return time.Duration(days) * 24 * time.Hour, days > 0
}

// after returns an endpoint's health after an attempt, and whether the endpoint
// is to be disabled.
func (h health) after(at time.Time, accepted bool, limit time.Duration, limited bool) (now health, disable bool) {
	switch {
	case accepted:
		return health{}, false
	case h.FailingSince.IsZero():
		h.FailingSince = at
	case limited && !at.Before(h.FailingSince.Add(limit)):
		h.GivenUp = at
		return h, true
	case at.Sub(h.FailingSince) >= warnAfter:
		h.Warned = true
	}
	return h, false
}

// Attempted implements webhook.Watcher. In place of the mail that the merchant
// would get, the log has a warning and the control API shows the state.
func (a *API) Attempted(tx store.Tx, m merchant.Merchant, endpointID string, at time.Time, accepted bool) error {
	row, err := tx.Resource(kindEndpoint, endpointID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := decodeBody[endpointBody](row)
	if err != nil || b.Disabled {
		return err
	}
	limit, limited := disableAfter(m)
	was := b.health
	b.health, b.Disabled = was.after(at, accepted, limit, limited)
	if b.health == was {
		return nil
	}
	switch until := b.FailingSince.Add(limit); {
	case b.Disabled:
		a.log.Warn("webhook endpoint disabled: it has only failed", "account", m.Account, "endpoint", row.ID, "since", b.FailingSince)
	case b.Warned && limited:
		a.log.Warn("webhook endpoint keeps failing and will be disabled", "account", m.Account, "endpoint", row.ID, "since", b.FailingSince, "by", until)
	case b.Warned:
		a.log.Warn("webhook endpoint keeps failing", "account", m.Account, "endpoint", row.ID, "since", b.FailingSince)
	}
	row.Body = encodeBody(b)
	return tx.UpdateResource(row)
}

// EndpointHealth is what the control API shows of an endpoint.
type EndpointHealth struct {
	ID           string     `json:"id"`
	URL          string     `json:"url"`
	Status       string     `json:"status"`
	FailingSince *time.Time `json:"failing_since"`
	DisableBy    *time.Time `json:"disable_by"` // when it is disabled unless an attempt succeeds before
	GivenUp      *time.Time `json:"given_up"`   // when it was
}

// Endpoints lists a merchant's webhook endpoints, newest first.
func (a *API) Endpoints(r store.Reader, m merchant.Merchant) (any, error) {
	rows, err := r.Few(kindEndpoint)
	if err != nil {
		return nil, err
	}
	list := []EndpointHealth{}
	limit, limited := disableAfter(m)
	for _, row := range rows {
		b, err := decodeBody[endpointBody](row)
		if err != nil {
			return nil, err
		}
		e := EndpointHealth{ID: row.ID, URL: b.URL, Status: b.status(), FailingSince: optional(b.FailingSince), GivenUp: optional(b.GivenUp)}
		if e.FailingSince != nil && limited && !b.Disabled {
			e.DisableBy = optional(b.FailingSince.Add(limit))
		}
		list = append(list, e)
	}
	return list, nil
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// KeptSettings implements control.Settling: what requests of the API have set.
func (a *API) KeptSettings() []string {
	return []string{settingConfigured, settingDebitNegative, settingPayoutDescriptor}
}

// CheckSettings refuses values of the dialect's settings that mean nothing.
func (a *API) CheckSettings(settings map[string]string) error {
	if v, ok := settings[settingVersion]; ok && !knownVersion(v) {
		return fault.Newf(fault.Invalid, "bad_account", "settings: %s: %q is not a published version.", settingVersion, v)
	}
	if v, ok := settings[settingDisableDays]; ok {
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > disableDaysMax {
			return fault.Newf(fault.Invalid, "bad_account", "settings: %s: %q is not a number of days from 0 (never) to %d.", settingDisableDays, v, disableDaysMax)
		}
	}
	if v, ok := settings[settingEndpoints]; ok {
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > endpointsMax {
			return fault.Newf(fault.Invalid, "bad_account", "settings: %s: %q is not a number of endpoints from 0 to %d.", settingEndpoints, v, endpointsMax)
		}
	}
	if v, ok := settings[settingAsync]; ok && v != "true" && v != "false" {
		return fault.Newf(fault.Invalid, "bad_account", "settings: %s: %q is neither true nor false.", settingAsync, v)
	}
	if v, ok := settings[settingLimit]; ok {
		if n, err := strconv.Atoi(v); err != nil || n < 1 {
			return fault.Newf(fault.Invalid, "bad_account", "settings: %s: %q is not a number of requests a second; leave the setting out for no limit.", settingLimit, v)
		}
	}
	return nil
}
