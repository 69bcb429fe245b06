package stripe

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/safehttp"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindEndpoint = "stripe.webhook_endpoint"

// An account may have so many endpoints per mode, unless its setting says
// otherwise, up to endpointsMax.
const (
	endpointsDefault = 16
	endpointsMax     = deliveriesMax
)

// settingEndpoints is the account's own limit.
const settingEndpoints = "stripe.webhook_endpoints_max"

func endpointsAllowed(m merchant.Merchant) int {
	if n, err := strconv.Atoi(m.Profile.Settings[settingEndpoints]); err == nil {
		return n
	}
	return endpointsDefault
}

// endpointBody is a webhook endpoint.
type endpointBody struct {
	URL         string            `json:"url"`
	Events      []string          `json:"events"`
	APIVersion  string            `json:"api_version,omitempty"`
	Description string            `json:"description,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Secret      string            `json:"secret"`
	OldSecret   string            `json:"old_secret,omitempty"` // signs too until OldUntil, wall time
	OldUntil    time.Time         `json:"old_until,omitzero"`
	Disabled    bool              `json:"disabled,omitempty"`
	health
}

// secrets are those that sign at a wall time, the current one first.
func (b endpointBody) secrets(wall time.Time) []string {
	if b.OldSecret != "" && wall.Before(b.OldUntil) {
		return []string{b.Secret, b.OldSecret}
	}
	return []string{b.Secret}
}

func (b endpointBody) wants(version, typ string) bool {
	earlier := eventName(firstOf(b.APIVersion, version), typ)
	return !b.Disabled && slices.ContainsFunc(b.Events, func(e string) bool { return e == "*" || e == typ || e == earlier })
}

func (b endpointBody) status() string {
	if b.Disabled {
		return "disabled"
	}
	return "enabled"
}

type subscription struct {
	row  resource.Row
	body endpointBody
}

// subscribed returns the enabled endpoints that want a type of event; version is
// the account's.
func (a *API) subscribed(r store.Reader, version, typ string) ([]subscription, error) {
	rows, err := r.Few(kindEndpoint)
	if err != nil {
		return nil, err
	}
	var subs []subscription
	for _, row := range rows {
		b, err := decodeBody[endpointBody](row)
		if err != nil {
			return nil, err
		}
		if b.wants(version, typ) {
			subs = append(subs, subscription{row, b})
		}
	}
	return subs, nil
}

// policy is where webhooks of an account may go: in test mode anywhere,
// localhost and plain HTTP included; in live mode to public HTTPS addresses.
func policy(live bool) safehttp.Policy {
	return safehttp.Policy{AllowPrivate: !live, AllowPlain: !live}
}

func (c *call) endpointURL(v form.Value) (string, error) {
	s, err := must(v, "url", 2048)
	if err != nil {
		return "", err
	}
	if !schemeShape.MatchString(s) {
		return "", invalid("url_invalid", "url", "Invalid URL: An explicit scheme (such as https) must be provided.")
	}
	if err := safehttp.CheckURL(policy(c.principal.live), s); err != nil {
		return "", invalid("url_invalid", "url", "Invalid URL: %s", err)
	}
	return s, nil
}

func enabledEvents(v form.Value, version string) ([]string, error) {
	const name = "enabled_events"
	if v.Kind() == form.Missing {
		return nil, missingParam(name)
	}
	if v.Kind() == form.Scalar && v.String() == "" {
		return nil, emptyParam(name)
	}
	if v.Kind() != form.List {
		return nil, invalid("", name, "Invalid array")
	}
	var events []string
	for i, item := range v.Items() {
		s := item.String()
		if s != "*" && !subscribable(version, s) {
			item := fmt.Sprintf("%s[%d]", name, i)
			return nil, invalid("", item, "Invalid %s: must be one of *, %s, or %s", item, strings.Join(eventTypes[:len(eventTypes)-1], ", "), eventTypes[len(eventTypes)-1])
		}
		events = append(events, s)
	}
	return events, nil
}

func createEndpoint(c *call) (step, error) {
	var b endpointBody
	var err error
	if b.Events, err = enabledEvents(c.params.Get("enabled_events"), firstOf(c.params.Get("api_version").String(), c.version)); err != nil {
		return step{}, err
	}
	if b.URL, err = c.endpointURL(c.params.Get("url")); err != nil {
		return step{}, err
	}
	if b.APIVersion, _, err = text(c.params.Get("api_version"), "api_version", 0); err != nil {
		return step{}, err
	}
	if b.APIVersion != "" && !knownVersion(b.APIVersion) {
		return step{}, invalid("", "api_version", "Invalid Stripe API version: %s", printable(b.APIVersion))
	}
	if _, err := boolean(c.params.Get("connect"), "connect", false); err != nil {
		return step{}, err
	}
	if b.Description, _, err = text(c.params.Get("description"), "description", 5000); err != nil {
		return step{}, err
	}
	if b.Metadata, err = metadata(c.params.Get("metadata"), nil); err != nil {
		return step{}, err
	}
	var rowID string
	return step{
		begin: func(t *engine.Tx) error {
			// Of two at once, the second one counts the first one's.
			if err := t.UpdateMerchant(t.Who); err != nil {
				return err
			}
			rows, err := t.Few(kindEndpoint)
			if err != nil {
				return err
			}
			if allowed := endpointsAllowed(t.Who); len(rows) >= allowed {
				mode := "test"
				if c.principal.live {
					mode = "live"
				}
				return invalid("", "", "You have reached the maximum of %d %s webhook endpoints.", allowed, mode).kept()
			}
			full := b
			full.Secret = "whsec_" + t.Random(32)
			rowID = t.NewID("we_")
			return t.InsertResource(newRow(t, kindEndpoint, rowID, "", encodeBody(full)))
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := t.Resource(kindEndpoint, rowID)
			if err != nil {
				return nil, err
			}
			o, err := c.in(t).endpoint(row)
			if err != nil {
				return nil, err
			}
			full, err := decodeBody[endpointBody](row)
			o["secret"] = full.Secret // shown this once
			return o, err
		},
	}, nil
}

func (v *view) endpoint(row resource.Row) (obj, error) {
	b, err := decodeBody[endpointBody](row)
	if err != nil {
		return nil, err
	}
	return obj{
		"id": row.ID, "object": "webhook_endpoint", "api_version": nullable(b.APIVersion), "application": nil, "created": row.Created.Unix(),
		"description": nullable(b.Description), "enabled_events": b.Events, "livemode": v.merchant.Live, "metadata": b.Metadata,
		"status": b.status(), "url": b.URL,
	}, nil
}

func (c *call) endpointRow(r store.Reader) (resource.Row, error) {
	row, err := r.Resource(kindEndpoint, c.path("id"))
	if errors.Is(err, store.ErrNotFound) {
		return row, c.unknown(404, kindEndpoint, "webhook endpoint", "webhook_endpoint", c.path("id"))
	}
	return row, err
}

func retrieveEndpoint(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		row, err := c.endpointRow(v)
		if err != nil {
			return nil, err
		}
		return v.endpoint(row)
	})
}

func listEndpoints(c *call) (obj, error) {
	return c.page(kindEndpoint, "webhook endpoint", "", "", (*view).endpoint)
}

func updateEndpoint(c *call) (step, error) {
	var b endpointBody
	if err := c.changeEndpoint(&b); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.endpointRow(t)
			if err != nil {
				return err
			}
			b, err := decodeBody[endpointBody](row)
			if err != nil {
				return err
			}
			if err := c.changeEndpoint(&b); err != nil {
				return err
			}
			row.Body = encodeBody(b)
			return t.UpdateResource(row)
		},
		finish: func(t *engine.Tx) (obj, error) {
			row, err := c.endpointRow(t)
			if err != nil {
				return nil, err
			}
			return c.in(t).endpoint(row)
		},
	}, nil
}

// changeEndpoint applies an update's parameters.
func (c *call) changeEndpoint(b *endpointBody) error {
	var err error
	if v := c.params.Get("url"); v.Kind() != form.Missing {
		if b.URL, err = c.endpointURL(v); err != nil {
			return err
		}
	}
	if v := c.params.Get("enabled_events"); v.Kind() != form.Missing {
		if b.Events, err = enabledEvents(v, firstOf(b.APIVersion, c.version)); err != nil {
			return err
		}
	}
	was := b.Disabled
	if b.Disabled, err = boolean(c.params.Get("disabled"), "disabled", b.Disabled); err != nil {
		return err
	}
	if was && !b.Disabled {
		b.health = health{} // enabled again, it starts afresh
	}
	if s, set, err := text(c.params.Get("description"), "description", 5000); err != nil {
		return err
	} else if set {
		b.Description = s
	}
	b.Metadata, err = metadata(c.params.Get("metadata"), b.Metadata)
	return err
}

func deleteEndpoint(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, err := c.endpointRow(t)
			if err != nil {
				return err
			}
			return bury(t, row)
		},
		finish: func(*engine.Tx) (obj, error) {
			return obj{"id": c.path("id"), "object": "webhook_endpoint", "deleted": true}, nil
		},
	}, nil
}

// rollMax is how long a rolled secret may go on signing.
const rollMax = 24 * time.Hour

// RollSecret gives an endpoint a new signing secret. The old one signs beside
// it for keep, so that receivers can be changed without losing a message.
func (a *API) RollSecret(t *engine.Tx, endpointID string, keep time.Duration) (string, error) {
	if keep < 0 || keep > rollMax {
		return "", fault.Newf(fault.Invalid, "bad_roll", "The old secret can go on signing for 0 to %d seconds.", int(rollMax.Seconds()))
	}
	row, err := t.Resource(kindEndpoint, endpointID)
	if err != nil {
		return "", fault.Newf(fault.NotFound, "no_endpoint", "There is no webhook endpoint %q in this world.", endpointID).Because(err)
	}
	b, err := decodeBody[endpointBody](row)
	if err != nil {
		return "", err
	}
	b.OldSecret, b.OldUntil = b.Secret, t.Wall.Add(keep)
	b.Secret = "whsec_" + t.Random(32)
	row.Body = encodeBody(b)
	return b.Secret, t.UpdateResource(row)
}
