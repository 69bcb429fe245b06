package stripe

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindEphemeralKey = "stripe.ephemeral_key"

// ephemeralFor is how long a key can be used, on the account's clock.
const ephemeralFor = time.Hour

// ephemeralBody is a key that a mobile app uses in the name of one customer. Its
// secret is known by its hash only.
type ephemeralBody struct {
	Customer string    `json:"customer"`
	Hash     []byte    `json:"hash"`
	Ended    time.Time `json:"ended,omitzero"` // given up before its time
}

// expires is the instant from which the key cannot be used.
func (b ephemeralBody) expires(row resource.Row) time.Time {
	if !b.Ended.IsZero() {
		return b.Ended
	}
	return row.Created.Add(ephemeralFor)
}

// ephemeralShape is what the secret of a key looks like: the account and the
// key's id in base64, then what cannot be guessed.
var ephemeralShape = regexp.MustCompile(`^ek_(test|live)_([0-9A-Za-z]{40,200})_([0-9A-Za-z]{34})$`)

func ephemeralSecret(t *engine.Tx, rowID string) string {
	mode := "test"
	if t.Who.Live {
		mode = "live"
	}
	names := base64.RawStdEncoding.EncodeToString([]byte(t.Who.Account + "," + strings.TrimPrefix(rowID, "ephkey_")))
	return "ek_" + mode + "_" + names + "_00" + t.Random(32)
}

// createEphemeralKey answers what the server of a mobile app asks for and hands on
// to the app: the only time that the secret is shown.
func createEphemeralKey(c *call) (step, error) {
	for _, name := range []string{"issuing_card", "nonce", "verification_session"} {
		if given(c.params.Get(name)) {
			return step{}, invalid("", name, "Only a customer can be accessed with an ephemeral key here: the parameter %s is not offered.", name)
		}
	}
	customer, err := must(c.params.Get("customer"), "customer", 0)
	if err != nil {
		return step{}, err
	}
	secret := ""
	return step{
		begin: func(t *engine.Tx) error {
			if _, _, err := c.customerRow(t, 400, "customer", customer, false); err != nil {
				return err
			}
			if c.request.Header.Get("Stripe-Version") == "" {
				return invalid("", "", "To create an ephemeral key, set the Stripe-Version header to the API version that the mobile SDK asks for.")
			}
			t.Subject = t.NewID("ephkey_")
			secret = ephemeralSecret(t, t.Subject)
			b := ephemeralBody{Customer: customer, Hash: merchant.KeyHash(secret)}
			return t.InsertResource(newRow(t, kindEphemeralKey, t.Subject, "", encodeBody(b)))
		},
		finish: func(t *engine.Tx) (obj, error) {
			o, err := c.ephemeralKey(t, t.Subject)
			if err == nil {
				o["secret"] = secret
			}
			return o, err
		},
	}, nil
}

func deleteEphemeralKey(c *call) (step, error) {
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := c.ephemeralRow(t, c.path("key"))
			if err != nil || !t.At.Before(b.expires(row)) {
				return err
			}
			b.Ended = t.At
			row.Body = encodeBody(b)
			return t.UpdateResource(row)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.ephemeralKey(t, c.path("key")) },
	}, nil
}

func (c *call) ephemeralRow(r store.Reader, id string) (resource.Row, ephemeralBody, error) {
	row, err := r.Resource(kindEphemeralKey, id)
	if errors.Is(err, store.ErrNotFound) {
		return row, ephemeralBody{}, c.unknown(404, kindEphemeralKey, "ephemeral key", "key", id)
	}
	if err != nil {
		return row, ephemeralBody{}, err
	}
	b, err := decodeBody[ephemeralBody](row)
	return row, b, err
}

// ephemeralKey shows a key. Mobile SDKs read associated_objects, which the
// published document has not.
func (c *call) ephemeralKey(t *engine.Tx, id string) (obj, error) {
	row, b, err := c.ephemeralRow(t, id)
	if err != nil {
		return nil, err
	}
	return obj{
		"id": row.ID, "object": "ephemeral_key", "associated_objects": []any{obj{"id": b.Customer, "type": "customer"}},
		"created": row.Created.Unix(), "expires": b.expires(row).Unix(), "livemode": t.Who.Live,
	}, nil
}

// ephemeral finds whom the secret of an ephemeral key speaks for. Its holder is
// as little trusted as a browser.
func (a *API) ephemeral(ctx context.Context, secret string) (principal, error) {
	bad := &wireError{status: http.StatusUnauthorized, message: "Invalid API Key provided: " + mask(secret)}
	shape := ephemeralShape.FindStringSubmatch(secret)
	if shape == nil {
		return principal{}, bad
	}
	names, err := base64.RawStdEncoding.DecodeString(shape[2])
	account, id, ok := strings.Cut(string(names), ",")
	if err != nil || !ok {
		return principal{}, bad
	}
	p := principal{account: account, live: shape[1] == "live", public: true}
	p.merchantID = merchant.IDFor(account, p.live)
	err = a.engine.View(ctx, p.merchantID, func(r store.Reader, m merchant.Merchant, at time.Time) error {
		row, err := r.Resource(kindEphemeralKey, "ephkey_"+id)
		if err != nil {
			return err
		}
		b, err := decodeBody[ephemeralBody](row)
		switch {
		case err != nil:
			return err
		case m.Account != account || subtle.ConstantTimeCompare(b.Hash, merchant.KeyHash(secret)) != 1:
			return bad
		case !at.Before(b.expires(row)):
			return &wireError{status: http.StatusUnauthorized, code: "api_key_expired", message: "Expired API Key provided: " + mask(secret)}
		}
		p.customer = b.Customer
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return principal{}, bad
	}
	return p, err
}

// ephemeralUses are what a mobile SDK does with an ephemeral key, by method and
// path. Each tells the customer that the request is about, "" if it is about
// none.
var ephemeralUses = map[string]func(c *call) (string, error){
	"GET /v1/customers/{id}":                       inPath("id"),
	"POST /v1/customers/{id}":                      customerOfUpdate,
	"POST /v1/customers/{customer}/sources":        inPath("customer"),
	"DELETE /v1/customers/{customer}/sources/{id}": inPath("customer"),
	"GET /v1/customers/{customer}/payment_methods": inPath("customer"),
	"GET /v1/payment_methods":                      customerParam,
	"POST /v1/payment_methods/{id}":                customerOfMethod,
	"POST /v1/payment_methods/{id}/attach":         customerParam,
	"POST /v1/payment_methods/{id}/detach":         customerOfMethod,
}

func inPath(name string) func(c *call) (string, error) {
	return func(c *call) (string, error) { return c.path(name), nil }
}

func customerParam(c *call) (string, error) { return c.params.Get("customer").String(), nil }

// ephemeralUpdates are what an app may change of its customer.
var ephemeralUpdates = []string{"default_source", "invoice_settings", "shipping", "expand"}

func customerOfUpdate(c *call) (string, error) {
	for name := range c.params.Keys() {
		if !slices.Contains(ephemeralUpdates, name) {
			return "", nil
		}
	}
	return c.path("id"), nil
}

// customerOfMethod is whom a payment method is attached to. One that is detached
// meanwhile stays so for good.
func customerOfMethod(c *call) (customer string, err error) {
	err = c.view(func(v *view) error {
		row, err := v.Resource(kindPaymentMethod, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		b, err := decodeBody[methodBody](row)
		customer = b.Customer
		return err
	})
	return customer, err
}

// ephemerally refuses what an ephemeral key may not do: anything but the uses
// above, for its own customer, at a version that the app names.
func (c *call) ephemerally(ep endpoint) error {
	if c.request.Header.Get("Stripe-Version") == "" {
		return invalid("", "", "When authenticating with an ephemeral key, set the Stripe-Version header to the API version of your integration.")
	}
	refused := &wireError{status: http.StatusForbidden, code: "more_permissions_required", message: fmt.Sprintf(
		"The provided key '%s' is an ephemeral key for the customer '%s' and does not have the required permissions for this request.", maskTo(c.apiKey, 6), c.principal.customer)}
	use, ok := ephemeralUses[ep.method+" "+ep.path]
	if !ok {
		return refused
	}
	customer, err := use(c)
	if err == nil && customer != c.principal.customer {
		return refused
	}
	return err
}
