package stripe

import (
	"crypto/subtle"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/search"
)

const kindIntent = "stripe.payment_intent"

// intentBody is what a payment intent's row keeps beside what the core knows.
// Until its first confirmation there is no core payment: what the merchant wants
// is here. After it, money's state is the core's and the status is computed from
// both by intentStatus.
type intentBody struct {
	Amount   int64          `json:"amount"`
	Currency money.Currency `json:"currency"`
	Secret   string         `json:"secret"`

	methodChoice
	CaptureMethod string `json:"capture_method,omitempty"` // "" for the version's default
	ByServer      bool   `json:"by_server,omitempty"`      // confirmation_method is manual
	FutureUsage   string `json:"future_usage,omitempty"`

	Customer       string            `json:"customer,omitempty"`
	Description    string            `json:"description,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	ReceiptEmail   string            `json:"receipt_email,omitempty"`
	Shipping       *shipping         `json:"shipping,omitempty"`
	Descriptor     string            `json:"descriptor,omitempty"`
	Suffix         string            `json:"suffix,omitempty"`
	TransferGroup  string            `json:"transfer_group,omitempty"`
	AmountDetails  obj               `json:"amount_details,omitempty"`
	PaymentDetails obj               `json:"payment_details,omitempty"`

	PaymentMethod string       `json:"payment_method,omitempty"`
	Tried         bool         `json:"tried,omitempty"` // the core payment's attempt is with this method and these terms
	Waits         bool         `json:"waits,omitempty"` // approved funds wait for the server's second confirmation
	ReturnURL     string       `json:"return_url,omitempty"`
	BySDK         bool         `json:"by_sdk,omitempty"`     // use_stripe_sdk
	Acceptance    *acceptance  `json:"acceptance,omitempty"` // mandate_data of the last confirmation
	Confirmations int          `json:"confirmations,omitempty"`
	LastError     *intentError `json:"last_error,omitempty"`
	LatestCharge  string       `json:"latest_charge,omitempty"`

	CanceledAt   time.Time `json:"canceled_at,omitzero"`
	CancelReason string    `json:"cancel_reason,omitempty"`
}

// methodChoice says which methods an intent can have.
type methodChoice struct {
	Redirects     string                   `json:"redirects,omitempty"` // of automatic_payment_methods: "always" or "never"; "" when types were listed
	Types         []string                 `json:"types"`
	Allowed       []string                 `json:"allowed,omitempty"`
	Excluded      []string                 `json:"excluded,omitempty"`
	Configuration string                   `json:"configuration,omitempty"`
	Options       map[string]methodOptions `json:"options,omitempty"`
}

// takes reports whether a choice leaves a type in, whatever else decides.
func (b methodChoice) takes(typ string, on []string) bool {
	return slices.Contains(on, typ) && (len(b.Allowed) == 0 || slices.Contains(b.Allowed, typ)) && !slices.Contains(b.Excluded, typ)
}

// methodOptions are an intent's options for one type of method.
type methodOptions struct {
	CaptureMethod string `json:"capture_method,omitempty"`
	FutureUsage   string `json:"future_usage,omitempty"`
	ThreeDSecure  string `json:"three_d_secure,omitempty"`
}

// intentError is why an attempt failed, as last_payment_error shows it.
type intentError struct {
	Type    string `json:"type"`
	Code    string `json:"code"`
	Decline string `json:"decline,omitempty"`
	Advice  string `json:"advice,omitempty"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message"`
	Charge  string `json:"charge,omitempty"`
	Method  string `json:"method,omitempty"`
}

// The statuses of an intent.
const (
	needsMethod       = "requires_payment_method"
	needsConfirmation = "requires_confirmation"
	needsAction       = "requires_action"
	needsCapture      = "requires_capture"
	isProcessing      = "processing"
	hasSucceeded      = "succeeded"
	isCanceled        = "canceled"
)

// intentStatus is the wire status: a pure function of the core payment, which is
// nil before the first confirmation, and the row.
func intentStatus(b intentBody, p *payment.Payment) string {
	switch {
	case !b.CanceledAt.IsZero():
		return isCanceled
	case !b.Tried && b.PaymentMethod == "":
		return needsMethod
	case !b.Tried:
		return needsConfirmation
	}
	switch p.State() {
	case payment.Started, payment.Processing:
		return isProcessing
	case payment.AwaitingPayer:
		return needsAction
	case payment.Authorized:
		switch {
		case b.Waits:
			return needsConfirmation
		case p.AutoCapture || p.Attempt.Claim != "":
			return isProcessing // its capture is under way
		}
		return needsCapture
	case payment.Captured:
		return hasSucceeded
	case payment.Declined, payment.Expired, payment.Voided:
		return needsMethod
	}
	panic("stripe: intent of a payment that is " + p.State().String())
}

// captureLater reports whether a method's funds wait for the merchant's capture.
func (b intentBody) captureLater(typ string) bool {
	if o := b.Options[typ].CaptureMethod; o != "" {
		return o == "manual"
	}
	return b.CaptureMethod == "manual"
}

// saveFor returns the later use a method is to be saved for, or "".
func (b intentBody) saveFor(typ string) string {
	switch o := b.Options[typ].FutureUsage; o {
	case "":
		return b.FutureUsage
	case "none":
		return ""
	default:
		return o
	}
}

func (b intentBody) total() money.Amount { return money.Of(b.Amount, b.Currency) }

// intent is a loaded payment intent.
type intent struct {
	row     resource.Row
	body    intentBody
	payment *payment.Payment // nil before the first confirmation
}

func (i intent) id() string     { return i.row.ID }
func (i intent) status() string { return intentStatus(i.body, i.payment) }

func (c *call) noIntent(status int, id string) error {
	param := "intent"
	if status == 400 {
		param = "payment_intent"
	}
	return c.unknown(status, kindIntent, "payment_intent", param, id)
}

// readIntent reads an intent for showing it.
func readIntent(r store.Reader, id string) (intent, error) {
	row, err := r.Resource(kindIntent, id)
	if err != nil {
		return intent{}, err
	}
	return intentOf(r, row)
}

func intentOf(r store.Reader, row resource.Row) (i intent, err error) {
	i.row = row
	if i.body, err = decodeBody[intentBody](row); err != nil || row.Payment == "" {
		return i, err
	}
	p, err := r.Payment(row.Payment)
	i.payment = &p
	return i, err
}

// loadIntent reads and locks an intent, applying an overdue deadline first. Its
// row is read again under the payment's lock, so that the two fit together.
func loadIntent(t *engine.Tx, id string) (i intent, err error) {
	if i.row, err = t.Resource(kindIntent, id); err != nil {
		return i, err
	}
	if i.row.Payment != "" {
		if i.payment, err = t.LoadPayment(i.row.Payment); err != nil {
			return i, err
		}
		if _, err := t.Fresh(kindIntent, id); err != nil {
			return i, err
		}
		if _, err := t.Lapse(i.payment); err != nil {
			return i, err
		}
		if i.row, err = t.Resource(kindIntent, id); err != nil {
			return i, err
		}
	}
	i.body, err = decodeBody[intentBody](i.row)
	return i, err
}

// keys are what an intent is found by.
func (b intentBody) keys() []resource.Key {
	keys := byMetadata(b.Metadata)
	if b.Customer != "" {
		keys = append(keys, resource.Key{Name: "customer", Value: b.Customer})
	}
	return keys
}

// write stores what was changed in the body.
func (i *intent) write(t *engine.Tx) error {
	i.row.Body = encodeBody(&i.body)
	put := t.UpdateResource
	keys := i.body.keys()
	if !slices.Equal(keys, i.row.Keys) {
		put = func(r resource.Row) error { return t.RekeyResource(r, keys) }
	}
	if err := put(i.row); err != nil {
		return err
	}
	i.row.Version++
	i.row.Keys = keys
	return nil
}

// named loads the intent of the path and checks a client secret, in the order of
// stripe-payment-intents §3.3.
func (c *call) named(t *engine.Tx) (intent, error) {
	i, err := loadIntent(t, c.path("id"))
	if errors.Is(err, store.ErrNotFound) {
		return i, c.noIntent(404, c.path("id"))
	}
	if err != nil {
		return i, err
	}
	return i, c.secretFits(i.body.Secret, "payment_intent_invalid_parameter", i.row.ID)
}

// secretFits checks the client secret of a request: a browser has to send it.
func (c *call) secretFits(secret, code, id string) error {
	sent, set, err := text(c.params.Get("client_secret"), "client_secret", 0)
	if err != nil {
		return err
	}
	if !set {
		if c.principal.public {
			return missingParam("client_secret")
		}
		return nil
	}
	if subtle.ConstantTimeCompare([]byte(sent), []byte(secret)) != 1 {
		return invalid(code, "client_secret", "The client_secret provided does not match any associated client secret on this object: %s.", id)
	}
	return nil
}

// stateError refuses a call in the intent's status. It shows the intent.
func (c *call) stateError(t *engine.Tx, i intent, param, does string, allowed ...string) error {
	e := invalid("payment_intent_unexpected_state", param, "You cannot %s this PaymentIntent because it has a status of %s. Only a PaymentIntent with one of the following statuses may be used so: %s.", does, i.status(), strings.Join(allowed, ", "))
	return c.withIntent(t, i, e).kept()
}

// withIntent shows the intent in an error, as the caller may see it.
func (c *call) withIntent(t *engine.Tx, i intent, e *wireError) *wireError {
	o, err := c.in(t).renderIntent(i)
	if err != nil {
		panic("stripe: intent " + i.row.ID + " cannot be shown: " + err.Error())
	}
	shown := *e
	shown.more = obj{"payment_intent": o}
	return &shown
}

func retrieveIntent(c *call) (obj, error) {
	overdue := false
	look := func(v *view) (obj, error) {
		i, err := readIntent(v, c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.noIntent(404, c.path("id"))
		}
		if err != nil {
			return nil, err
		}
		if err := c.secretFits(i.body.Secret, "payment_intent_invalid_parameter", i.row.ID); err != nil {
			return nil, err
		}
		overdue = i.payment != nil && i.payment.Overdue(v.now())
		return v.renderIntent(i)
	}
	o, err := c.single(look)
	if err != nil || !overdue {
		return o, err
	}
	// Its deadline has come and no timer has told yet: apply it, and look again.
	if err := c.api.engine.Update(c.ctx, c.principal.merchantID, engine.Cause{}, func(t *engine.Tx) error {
		_, err := loadIntent(t, c.path("id"))
		return err
	}); err != nil {
		return nil, err
	}
	return c.single(look)
}

func (v *view) intentRow(row resource.Row) (obj, error) {
	i, err := intentOf(v, row)
	if err != nil {
		return nil, err
	}
	return v.renderIntent(i)
}

func (v *view) intent(id string) (obj, error) {
	return v.stored(kindIntent, id, (*view).intentRow)
}

func listIntents(c *call) (obj, error) {
	if err := refusePlatform(c.params); err != nil {
		return nil, err
	}
	keys, err := c.equals("customer")
	if err != nil {
		return nil, err
	}
	return c.list(query{kind: kindIntent, label: "payment_intent", keys: keys, render: (*view).intentRow})
}

var searchIntents = searchable{
	kind: kindIntent, plural: "payment_intents",
	fields: search.Fields{
		"amount": search.Number, "created": search.Number, "currency": search.Token, "customer": search.Token, "metadata": search.Token, "status": search.Token,
	},
	index:  map[string]string{"customer": "customer"},
	render: (*view).intentRow,
}

// refreshIntent is how mobile SDKs poll: a retrieval by POST.
func refreshIntent(c *call) (step, error) {
	return step{finish: func(t *engine.Tx) (obj, error) {
		i, err := c.named(t)
		if err != nil {
			return nil, err
		}
		return c.in(t).renderIntent(i)
	}}, nil
}

// incrementIntent refuses: no method of this server can raise an authorisation.
func incrementIntent(c *call) (step, error) {
	if _, err := positive(c.params.Get("amount"), "amount"); err != nil {
		return step{}, err
	}
	return step{begin: with(c.named, func(*engine.Tx, intent) error {
		return invalid("", "", "This PaymentIntent's payment method does not support incremental authorizations.").kept()
	})}, nil
}

// notForMethods refuses what belongs to methods this server does not offer.
func notForMethods(c *call) (step, error) {
	return step{begin: with(c.named, func(t *engine.Tx, i intent) error {
		path := c.request.URL.Path
		return c.withIntent(t, i, invalid("payment_intent_unexpected_state", "", "The call %s is for bank debits and transfers, which this server does not offer.", path[strings.LastIndexByte(path, '/')+1:])).kept()
	})}, nil
}

// intentLineItems lists what amount_details names.
func intentLineItems(c *call) (obj, error) {
	if _, err := c.listing(); err != nil {
		return nil, err
	}
	if _, err := c.single(func(v *view) (obj, error) {
		o, err := v.intent(c.path("id"))
		if errors.Is(err, store.ErrNotFound) {
			return nil, c.noIntent(404, c.path("id"))
		}
		return o, err
	}); err != nil {
		return nil, err
	}
	path := c.request.URL.Path
	return obj{"object": "list", "data": []any{}, "has_more": false, "url": path}, nil
}
