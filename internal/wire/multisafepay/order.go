package multisafepay

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/safehttp"
	"github.com/ducatpay/ducat/internal/wire/multisafepay/value"
)

// Kinds of row.
const (
	// kindOrder is an order: what one POST asked for, and its session. Its id is
	// the PSP id that its first transaction gets.
	kindOrder = Name + ".order"
	// kindTransaction is whatever has a PSP id of its own: a payment, a refund,
	// a chargeback.
	kindTransaction = Name + ".transaction"
)

// Types of order (reference §3.1).
const (
	typeRedirect = "redirect"
	typeDirect   = "direct"
	typeLink     = "paymentlink"
	typeCheckout = "checkout"
	// typeCapture and typeRefund are what we call orders that are a part of
	// another's authorisation, or go back from it; nobody can ask for one.
	typeCapture = "capture"
	typeRefund  = "refund"
)

// Limits of what a merchant sends.
const (
	orderIDMax     = 50
	descriptionMax = 200
	variableMax    = 500
	textMax        = 250 // of any other text; no limit below it is enforced
	urlMax         = 2048
	htmlMax        = 32 << 10
	amountMax      = 9_999_999_999
	daysDefault    = 30
	daysMax        = 365
	secondsMax     = 31_536_000
)

// order is the body of an order's row: what the merchant sent, as far as it is
// used or comes back, and what happened to the session.
type order struct {
	OrderID     string         `json:"order_id"`
	Type        string         `json:"type"`
	Gateway     string         `json:"gateway,omitempty"`
	Currency    money.Currency `json:"currency"`
	Amount      int64          `json:"amount"`
	Description string         `json:"description"`
	Items       string         `json:"items,omitempty"` // HTML, never shown as such
	Locale      string         `json:"locale,omitempty"`
	Customer    person         `json:"customer,omitzero"` // what comes back of them
	Reference   string         `json:"reference,omitempty"`
	Email       string         `json:"email,omitempty"`
	Options     options        `json:"options"`
	Cart        []any          `json:"cart,omitempty"`
	Checkout    map[string]any `json:"checkout,omitempty"`
	Totals      *totals        `json:"totals,omitempty"`
	Vars        [3]string      `json:"vars"`
	Custom      [3]string      `json:"custom"`
	Manual      bool           `json:"manual,omitempty"` // authorise only
	Model       string         `json:"model,omitempty"`  // recurring model
	Splits      []split        `json:"splits,omitempty"`
	Of          string         `json:"of,omitempty"` // id of the order's row of which this one is a part, or goes back from
	Key         string         `json:"key"`          // signs notifications
	Session     string         `json:"session,omitempty"`
	Until       time.Time      `json:"until,omitzero"` // when the session ends
	QR          int            `json:"qr,omitempty"`   // pixels of its QR code; 0 if it has none

	Current   string            `json:"current,omitempty"` // PSP id of the current transaction
	Started   int               `json:"started,omitempty"` // transactions begun
	Ended     session           `json:"ended,omitempty"`   // of the session
	Closed    bool              `json:"closed,omitempty"`  // another order of the same id was paid
	Shipped   bool              `json:"shipped,omitempty"`
	Shipment  map[string]string `json:"shipment,omitempty"`
	Related   []string          `json:"related,omitempty"` // PSP ids of refunds and chargebacks
	Modified  time.Time         `json:"modified"`
	Status    string            `json:"status"` // as the merchant was last told
	Financial string            `json:"financial"`
}

// options is payment_options.
type options struct {
	Notification string `json:"notification,omitempty"`
	Post         bool   `json:"post,omitempty"` // notify by POST
	Redirect     string `json:"redirect,omitempty"`
	Cancel       string `json:"cancel,omitempty"`
	CloseWindow  bool   `json:"close_window,omitempty"`
}

// hosted reports whether the order has a payment page of ours.
func (o *order) hosted() bool { return o.Type != typeDirect }

// amount is what the payer has to pay.
func (o *order) amount() money.Amount { return money.Of(o.Amount, o.Currency) }

// request is an order as it was sent, with what is needed once and not kept.
type request struct {
	order
	gateway gateway // zero when none was named
	info    value.Value
	token   string // recurring id to charge
	seconds int64  // lifetime of the session
}

// decodeOrder checks the members in the order of reference §1.7 and reports the
// first that is wrong.
func decodeOrder(v value.Value, m merchant.Merchant) (*request, error) {
	r := &request{}
	for _, step := range [...]func(r *request, v value.Value, m merchant.Merchant) error{
		(*request).readID, (*request).readAmount, (*request).readDescription, (*request).readType, (*request).readGateway, (*request).readCapture,
		(*request).readLifetime, (*request).readOptions, (*request).readCustomer, (*request).readVariables, (*request).readRecurring, (*request).readCart,
	} {
		if err := step(r, v, m); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *request) readID(v value.Value, _ merchant.Merchant) error {
	id, ok := v.Get("order_id").Text()
	if !ok || !validID(id) {
		return refuse(codeOrder)
	}
	r.OrderID = id
	return nil
}

func validID(id string) bool {
	return id != "" && utf8.RuneCountInString(id) <= orderIDMax && !strings.ContainsFunc(id, unicode.IsControl)
}

func (r *request) readAmount(v value.Value, m merchant.Merchant) error {
	code, _ := v.Get("currency").Text()
	c, ok := money.ParseCurrency(code)
	if !ok || !siteTakes(m.Profile, c) {
		return refuse(codeCurrency)
	}
	amount, ok := v.Get("amount").Int()
	if !ok || amount < 1 || amount > amountMax {
		return refuse(codeAmount)
	}
	r.Currency, r.Amount = c, amount
	return nil
}

var tags = regexp.MustCompile(`<[^<>]*>`)

// plain strips markup, which descriptions cannot have (reference §3.2).
func plain(s string) string {
	if strings.IndexByte(s, '<') >= 0 {
		s = tags.ReplaceAllString(s, "")
	}
	return strings.TrimSpace(s)
}

func (r *request) readDescription(v value.Value, _ merchant.Merchant) error {
	s, ok := v.Get("description").Text()
	if s = plain(s); !ok || s == "" || !storable(s) || utf8.RuneCountInString(s) > descriptionMax {
		return refuse(codeDescription)
	}
	r.Description = s
	if r.Items, ok = v.Get("items").Text(); !ok || len(r.Items) > htmlMax {
		return refusef(codeMissing, "items must be a text of at most %d bytes", htmlMax)
	}
	return nil
}

func (r *request) readType(v value.Value, _ merchant.Merchant) error {
	s, ok := v.Get("type").Text()
	switch s = strings.ToLower(s); {
	case !ok:
		return refusef(codeMissing, "type must be a text")
	case s == "":
		s = typeRedirect
	case s == "unreferenced_refund":
		return refusef(codeCreate, "unreferenced refunds are made at terminals")
	case !slices.Contains([]string{typeRedirect, typeDirect, typeLink, typeCheckout}, s):
		return refusef(codeMissing, "type must be redirect, direct, paymentlink or checkout")
	}
	r.Type = s
	if _, ok := v.Get("manual").Bool(); !ok {
		return refusef(codeMissing, "manual must be a boolean")
	}
	return nil
}

func (r *request) readGateway(v value.Value, m merchant.Merchant) error {
	name := v.Get("gateway")
	if !name.Present() {
		name = v.Get("payment_data").Get("gateway")
	}
	s, ok := name.Text()
	if !ok {
		return refuse(codeGateway)
	}
	r.info = v.Get("gateway_info")
	if _, ok := r.info.Object(); r.info.Present() && !ok {
		return refusef(codeMissing, "gateway_info must be an object")
	}
	if s == "" {
		if r.Type == typeDirect {
			return refuse(codeGateway)
		}
		return nil
	}
	if r.gateway, ok = findGateway(s); !ok || !r.gateway.enabled(m.Profile) || r.Type == typeDirect && !r.gateway.Direct {
		return refuse(codeGateway)
	}
	if !r.gateway.takes(r.Currency) {
		return refuse(codeCurrency)
	}
	r.Gateway = r.gateway.ID
	if bank, _ := r.info.Get("issuer_id").Text(); bank != "" && r.Gateway == "IDEAL" && !knownIssuer("ideal", bank) {
		return refuse(codeIssuer)
	}
	return r.readQR()
}

// readCapture reads whether funds are only authorised. Without a gateway the
// payment page offers those that can do it.
func (r *request) readCapture(v value.Value, _ merchant.Merchant) error {
	s, ok := v.Get("capture").Text()
	if !ok || s != "" && s != "manual" {
		return refusef(codeMissing, "capture can be manual, or left out")
	}
	r.Manual = s == "manual"
	if r.Manual && r.Gateway != "" && !r.gateway.rules().SeparateCapture {
		return refuse(codeGateway)
	}
	return nil
}

// Sizes of a QR code in pixels (reference §3.7).
const (
	qrMin     = 100
	qrDefault = 250
	qrMax     = 2000
)

// readQR reads whether an order is paid by scanning its payment page's address.
func (r *request) readQR() error {
	size := int64(qrDefault)
	if s := r.info.Get("qr_size"); s.Present() {
		n, ok := s.Int()
		if !ok || n < qrMin || n > qrMax {
			return refusef(codeMissing, "gateway_info.qr_size must be %d to %d", qrMin, qrMax)
		}
		size = n
	}
	enabled, ok := r.info.Get("qr_enabled").Bool()
	if !ok {
		return refusef(codeMissing, "gateway_info.qr_enabled must be a boolean")
	}
	if r.hosted() && (r.Gateway == "IDEALQR" || r.Gateway == "MISTERCASH" && enabled) {
		r.QR = int(size)
	}
	return nil
}

func (r *request) readLifetime(v value.Value, _ merchant.Merchant) error {
	r.seconds = daysDefault * 24 * 3600
	if d := v.Get("days_active"); d.Present() {
		n, ok := d.Int()
		if !ok || n < 1 || n > daysMax {
			return refusef(codeMissing, "days_active must be 1 to %d", daysMax)
		}
		r.seconds = n * 24 * 3600
	}
	if s := v.Get("seconds_active"); s.Present() {
		n, ok := s.Int()
		if !ok || n < 0 || n > secondsMax {
			return refusef(codeMissing, "seconds_active must be 1 to %d", secondsMax)
		}
		if n > 0 {
			r.seconds = n
		}
	}
	if days := r.gateway.linkDays(); days > 0 {
		r.seconds = days * 24 * 3600
	}
	return nil
}

// linkDays is for how long a link to a method's payment is good where that is not
// the merchant's to choose; 0 where it is (reference §3.12).
func (g gateway) linkDays() int64 {
	switch {
	case g.ID == "PAYPAL":
		return 14
	case g.ID == "BANKTRANS":
		return 60
	case g.Kind == later, g.Kind == debit, g.ID == "PSAFECARD", strings.HasPrefix(g.ID, "EDEN"):
		return daysDefault
	}
	return 0
}

func (r *request) readOptions(v value.Value, m merchant.Merchant) error {
	site := m.Profile.Settings
	o := v.Get("payment_options")
	if members, ok := o.Object(); o.Present() && !ok {
		return refusef(codeMissing, "payment_options must be an object")
	} else if len(members) == 0 && site[settingNotification] == "" && site[settingRedirect] == "" {
		return refusef(codeMissing, "payment_options")
	}
	strict := m.Live || site[settingStrictURLs] == "true"
	for _, u := range []struct {
		name, site string
		to         *string
	}{
		{"notification_url", settingNotification, &r.Options.Notification}, {"redirect_url", settingRedirect, &r.Options.Redirect}, {"cancel_url", settingCancel, &r.Options.Cancel},
	} {
		s, ok := o.Get(u.name).Text()
		if s == "" {
			s = site[u.site]
		}
		if !ok || s != "" && !validURL(s) {
			return refusef(codeMissing, "payment_options.%s must be an absolute http or https URL", u.name)
		}
		if u.to == &r.Options.Notification && strict && s != "" && !strictURL(s) {
			return refusef(codeMissing, "payment_options.notification_url must use https, no port and no special characters")
		}
		*u.to = s
	}
	switch s, ok := o.Get("notification_method").Text(); {
	case !ok || s != "" && !strings.EqualFold(s, "GET") && !strings.EqualFold(s, "POST"):
		return refusef(codeMissing, "payment_options.notification_method must be GET or POST")
	default:
		r.Options.Post = strings.EqualFold(s, "POST")
	}
	var ok bool
	if r.Options.CloseWindow, ok = o.Get("close_window").Bool(); !ok {
		return refusef(codeMissing, "payment_options.close_window must be a boolean")
	}
	return nil
}

// validURL accepts what reference §3.3 does in practice: any absolute address of
// the web.
func validURL(s string) bool {
	return len(s) <= urlMax && !strings.ContainsFunc(s, unicode.IsControl) && safehttp.CheckURL(safehttp.Policy{AllowPrivate: true, AllowPlain: true}, s) == nil
}

var documentedURL = regexp.MustCompile(`^https://[0-9A-Za-z._/-]{1,142}$`)

// strictURL applies the limits that are documented (reference §3.3).
func strictURL(s string) bool { return documentedURL.MatchString(s) }

// person is what comes back of a customer, under the names it has in answers
// (reference §3.4, §3.10).
type person struct {
	Address1    string `json:"address1,omitempty"`
	Address2    string `json:"address2,omitempty"`
	City        string `json:"city,omitempty"`
	Company     string `json:"company_name,omitempty"`
	Country     string `json:"country,omitempty"`
	CountryName string `json:"country_name,omitempty"`
	Email       string `json:"email,omitempty"`
	FirstName   string `json:"first_name,omitempty"`
	HouseNumber string `json:"house_number,omitempty"`
	LastName    string `json:"last_name,omitempty"`
	Locale      string `json:"locale,omitempty"`
	Phone       string `json:"phone1,omitempty"`
	State       string `json:"state,omitempty"`
	ZipCode     string `json:"zip_code,omitempty"`
}

// echoed are the members of a person, in the order in which they are checked, with
// their names in answers and in requests, which may have several spellings.
var echoed = []struct {
	name string
	from []string
	of   func(p *person) *string
}{
	{"first_name", []string{"first_name", "firstname"}, func(p *person) *string { return &p.FirstName }},
	{"last_name", []string{"last_name", "lastname"}, func(p *person) *string { return &p.LastName }},
	{"address1", []string{"address1"}, func(p *person) *string { return &p.Address1 }},
	{"address2", []string{"address2"}, func(p *person) *string { return &p.Address2 }},
	{"house_number", []string{"house_number"}, func(p *person) *string { return &p.HouseNumber }},
	{"zip_code", []string{"zip_code"}, func(p *person) *string { return &p.ZipCode }},
	{"city", []string{"city"}, func(p *person) *string { return &p.City }},
	{"state", []string{"state"}, func(p *person) *string { return &p.State }},
	{"country", []string{"country"}, func(p *person) *string { return &p.Country }},
	{"phone1", []string{"phone"}, func(p *person) *string { return &p.Phone }},
	{"email", []string{"email"}, func(p *person) *string { return &p.Email }},
	{"locale", []string{"locale"}, func(p *person) *string { return &p.Locale }},
	{"company_name", []string{"company_name"}, func(p *person) *string { return &p.Company }},
	{"country_name", nil, func(p *person) *string { return &p.CountryName }}, // ours
}

func (r *request) readCustomer(v value.Value, _ merchant.Merchant) error {
	c := v.Get("customer")
	if _, ok := c.Object(); !ok {
		return refusef(codeMissing, "customer")
	}
	for _, name := range []string{"ip_address", "forwarded_ip"} {
		if s, ok := c.Get(name).Text(); !ok || s != "" && !validIP(s) {
			return refuse(codeIP)
		}
	}
	var err error
	if r.Customer, err = readPerson("customer", c); err != nil {
		return err
	}
	r.Locale, r.Email = r.Customer.Locale, r.Customer.Email
	if r.Reference, err = short("customer.reference", c.Get("reference")); err != nil {
		return err
	}
	to := v.Get("delivery")
	if _, ok := to.Object(); to.Present() && !ok {
		return refusef(codeMissing, "delivery must be an object")
	}
	if _, err := readPerson("delivery", to); err != nil {
		return err
	}
	// Whoever lets payers pay later accepts only those of its countries; at a bank
	// or wallet it is the payer's account that counts, not their address.
	if r.gateway.Kind == later && !r.gateway.rules().OfferedIn(r.Customer.Country) {
		return refuse(codeGateway)
	}
	for _, name := range []string{"gender", "birthday", "referrer", "user_agent"} {
		if s, ok := c.Get(name).Text(); !ok || len(s) > urlMax {
			return refusef(codeMissing, "customer.%s must be a text", name)
		}
	}
	return nil
}

// readPerson reads what comes back of a customer or a delivery.
func readPerson(name string, v value.Value) (p person, err error) {
	for _, e := range echoed {
		member := v.First(e.from...)
		if !member.Present() {
			continue
		}
		if *e.of(&p), err = short(name+"."+e.from[0], member); err != nil {
			return p, err
		}
	}
	if code := strings.ToUpper(p.Country); code != "" {
		full, ok := countries[code]
		if !ok {
			return p, refuse(codeCountry)
		}
		p.Country, p.CountryName = code, full
	}
	return p, nil
}

// short reads a text of ordinary length.
func short(name string, v value.Value) (string, error) {
	s, ok := v.Text()
	if !ok {
		return "", refusef(codeMissing, "%s must be a text", name)
	}
	if utf8.RuneCountInString(s) > textMax {
		return "", refusef(codeMissing, "%s is longer than %d characters", name, textMax)
	}
	if !storable(s) {
		return "", refusef(codeMissing, "%s has a NUL character", name)
	}
	return s, nil
}

// storable reports whether a text can be kept as text, by either database.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// validIP accepts an address, or a list of them as X-Forwarded-For has it.
func validIP(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		if _, err := netip.ParseAddr(strings.TrimSpace(part)); err != nil {
			return false
		}
	}
	return true
}

func (r *request) readVariables(v value.Value, _ merchant.Merchant) error {
	custom := v.Get("custom_info")
	for i, name := range [...][2]string{{"var1", "custom_1"}, {"var2", "custom_2"}, {"var3", "custom_3"}} {
		s, ok := v.Get(name[0]).Text()
		if !ok || utf8.RuneCountInString(s) > variableMax {
			return refuse(codeVariable)
		}
		r.Vars[i] = s
		if s, ok = custom.Get(name[1]).Text(); !ok || utf8.RuneCountInString(s) > variableMax {
			return refuse(codeVariable)
		}
		r.Custom[i] = s
	}
	return nil
}

// readRecurring reads both spellings of what is to be stored or charged.
func (r *request) readRecurring(v value.Value, _ merchant.Merchant) error {
	model := v.Get("recurring_model")
	if !model.Present() {
		model = v.Get("recurring").Get("model")
	}
	s, ok := model.Text()
	if !ok || s != "" && !slices.Contains(models, strings.ToLower(s)) {
		return refusef(codeMissing, "recurring_model must be cardOnFile, subscription or unscheduled")
	}
	r.Model = strings.ToLower(s)
	if r.Model != "" && r.Reference == "" {
		return refusef(codeMissing, "customer.reference is needed to store a token")
	}
	token := v.Get("recurring_id")
	if !token.Present() {
		token = v.Get("recurring").Get("id")
	}
	var err error
	if r.token, err = short("recurring_id", token); err != nil {
		return err
	}
	return r.readAffiliate(v.Get("affiliate"))
}

// models are the recurring models, as answers spell them.
var models = []string{"cardonfile", "subscription", "unscheduled"}
