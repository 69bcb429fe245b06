package antom

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/report"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

// Control implements control.Extension: what a merchant does in the dashboard
// and a payer in the wallet.
func (a *API) Control() map[string]func(r *http.Request, merchantID int64) (any, error) {
	return map[string]func(*http.Request, int64) (any, error){
		"GET /_ducat/v1/antom/keys":         a.listKeys,
		"POST /_ducat/v1/antom/keys":        a.addKey,
		"POST /_ducat/v1/antom/keys/revoke": a.revokeKey,
		"POST /_ducat/v1/antom/next":        a.next,
		"POST /_ducat/v1/antom/revoke":      a.revokeInWallet,
		"POST /_ducat/v1/antom/refund":      a.refundByPerson,
		"GET /_ducat/v1/antom/methods":      a.methods,
		"GET /_ducat/v1/reports":            a.listReports,
		"GET /_ducat/v1/reports/{path...}":  a.getReport,
		"POST /_ducat/v1/reports/access":    a.addReportAccess,
	}
}

// body decodes a control request strictly.
func body(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "bad_json", "The body is not the JSON object expected here; see docs/control-api.md.").Because(err)
	}
	return nil
}

type keyView struct {
	ClientID string `json:"client_id"`
	Version  int    `json:"version"`
	Public   string `json:"public_key"`
	Revoked  bool   `json:"revoked"`
}

func (a *API) listKeys(r *http.Request, merchantID int64) (any, error) {
	ours, err := a.PublicKey(r.Context())
	if err != nil {
		return nil, err
	}
	keys := []keyView{}
	err = a.engine.Store.View(r.Context(), merchantID, func(rd store.Reader) error {
		rows, err := rd.Resources(store.List{Kind: kindKey, Limit: keysMax})
		for _, row := range rows {
			b, err := decodeBody[keyBody](row)
			if err != nil {
				return err
			}
			keys = append(keys, keyView{b.Client, b.Version, b.Public, b.Revoked})
		}
		return err
	})
	return map[string]any{"antom_public_key": ours, "keys": keys}, err
}

// KeyPair is what registering a key comes to. The private key is there only if
// the pair was made here; it is shown once and kept nowhere.
type KeyPair struct {
	ClientID     string `json:"client_id"`
	Version      int    `json:"version"`
	Public       string `json:"public_key"`
	PrivatePKCS8 string `json:"private_key_pkcs8,omitempty"` // Java, Go, .NET, PHP
	PrivatePKCS1 string `json:"private_key_pkcs1,omitempty"` // Python
	Ours         string `json:"antom_public_key"`
}

// RegisterKey stores a client's public key, or makes a pair if public is "".
func (a *API) RegisterKey(ctx context.Context, merchantID int64, clientID, public string) (KeyPair, error) {
	out := KeyPair{ClientID: clientID, Public: public}
	owner, err := a.merchantOf(ctx, clientID)
	if _, refused := errors.AsType[*refusal](err); refused || err == nil && owner != merchantID {
		return out, fault.Newf(fault.Invalid, "bad_client", "client_id %q is not a client of this world; it is SANDBOX_ and the ending of the world's other keys.", clientID)
	}
	if err != nil {
		return out, err
	}
	if out.Ours, err = a.PublicKey(ctx); err != nil {
		return out, err
	}
	if public == "" {
		pair, err := signature.Generate()
		if err != nil {
			return out, err
		}
		out.Public, out.PrivatePKCS8, out.PrivatePKCS1 = signature.Public(&pair.PublicKey), signature.PKCS8(pair), signature.PKCS1(pair)
	}
	err = a.engine.Update(ctx, merchantID, engine.Cause{}, func(t *engine.Tx) (err error) {
		out.Version, err = registerKey(t, clientID, out.Public)
		return err
	})
	a.clients.forget(merchantID)
	return out, err
}

// MerchantOfClient finds the merchant of a client id, creating a sandbox on first
// use.
func (a *API) MerchantOfClient(ctx context.Context, clientID string) (int64, error) {
	return a.merchantOf(ctx, clientID)
}

func (a *API) addKey(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		ClientID string `json:"client_id"`
		Public   string `json:"public_key"`
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	if q.ClientID == "" {
		q.ClientID = bearer(r)
	}
	return a.RegisterKey(r.Context(), merchantID, q.ClientID, q.Public)
}

func (a *API) revokeKey(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		ClientID string `json:"client_id"`
		Version  int    `json:"version"`
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	if q.ClientID == "" {
		q.ClientID = bearer(r)
	}
	err := a.engine.Update(r.Context(), merchantID, engine.Cause{}, func(t *engine.Tx) error {
		row, err := t.Resource(kindKey, keyID(q.ClientID, q.Version))
		if err != nil {
			return err
		}
		b, err := decodeBody[keyBody](row)
		if err != nil {
			return err
		}
		b.Revoked = true
		row.Body = encodeBody(b)
		return t.UpdateResource(row)
	})
	a.clients.forget(merchantID)
	return map[string]any{"revoked": err == nil}, err
}

// next makes the next call answer with a result code.
func (a *API) next(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		Code string `json:"code"`
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	if q.Code != "" && (statusOf[q.Code] == "" || q.Code == "SUCCESS") {
		return nil, fault.Newf(fault.Invalid, "bad_code", "code: %q is not a result code a call can be refused with.", q.Code)
	}
	return map[string]any{"next": q.Code}, a.engine.Update(r.Context(), merchantID, engine.Cause{}, func(t *engine.Tx) error {
		if t.Who.Live {
			return fault.New(fault.Invalid, "live_account", "Answers of live calls are not made up.")
		}
		settings := map[string]string{settingNext: q.Code}
		for k, v := range t.Who.Profile.Settings {
			if k != settingNext {
				settings[k] = v
			}
		}
		t.Who.Profile.Settings = settings
		return t.UpdateMerchant(t.Who)
	})
}

// revokeInWallet does what a payer does who withdraws in the wallet.
func (a *API) revokeInWallet(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		AccessToken string `json:"access_token"`
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	state := ""
	err := a.engine.Update(r.Context(), merchantID, engine.Cause{}, func(t *engine.Tx) error {
		_, g, err := t.TokenOf(q.AccessToken)
		if err != nil {
			return err
		}
		if g.Front != Name {
			return store.ErrNotFound
		}
		if g.State() == agreement.Active && !engine.AgreementRules(*g).Revocable {
			return fault.Newf(fault.Invalid, "not_revocable", "Payers cannot withdraw in %s; only the merchant can revoke.", wireName(g.Method))
		}
		err = t.WithdrawAgreement(g)
		state = g.State().String()
		return err
	})
	return map[string]any{"state": state}, err
}

// refundByPerson refunds a payment as somebody in the merchant's office would:
// the rules are those of the call, and the notification goes to the address in
// the settings.
func (a *API) refundByPerson(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		PaymentID string `json:"payment_id"`
		Amount    int64  `json:"amount"` // minor units; 0: all that is left
		Reason    string `json:"reason"`
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	if q.Amount < 0 || len(q.Reason) > 256 {
		return nil, fault.New(fault.Invalid, "bad_refund", "amount is in minor units and cannot be negative; reason can have 256 characters.")
	}
	out := map[string]any{}
	err := a.engine.Update(r.Context(), merchantID, engine.Cause{}, func(t *engine.Tx) error {
		p, err := t.LoadPayment(q.PaymentID)
		if err != nil {
			return err
		}
		if p.Front != Name {
			return store.ErrNotFound
		}
		rb, err := a.refundInOffice(t, p, q.Amount, q.Reason)
		out["refund_id"], out["refund_request_id"], out["amount"] = rb.Refund, rb.RequestID, rb.Amount.Minor
		return err
	})
	return out, inWords(err)
}

// inWords turns a refusal into an error for people.
func inWords(err error) error {
	if ref, ok := errors.AsType[*refusal](err); ok {
		return fault.New(fault.Invalid, strings.ToLower(ref.code), ref.message)
	}
	return err
}

// refundInOffice refunds an amount in minor units, 0 standing for all that is
// left, under a request id of our own.
func (a *API) refundInOffice(t *engine.Tx, p *payment.Payment, minor int64, reason string) (refundBody, error) {
	row, err := t.Resource(kindPayment, p.Owner)
	if err != nil {
		return refundBody{}, err
	}
	pb, err := decodeBody[paymentBody](row)
	if err != nil {
		return refundBody{}, err
	}
	amount := money.Of(minor, p.Amount.Currency)
	if minor == 0 {
		amount = p.CapturedAmount().Sub(p.RefundedAmount())
	}
	request := t.NewID("portal_")
	name := rowID(pb.Client, pb.Account, request)
	c := &call{api: a, ctx: t.Ctx, client: &client{id: pb.Client, merchantID: t.Who.ID, live: t.Who.Live}}
	b := refundBody{Client: pb.Client, Account: pb.Account, RequestID: request, Payment: p.ID, Amount: amount, Reason: reason}
	if err := c.startRefund(t, name, b, ""); err != nil {
		return b, err
	}
	kept, err := t.Resource(kindRefund, name)
	if err != nil {
		return b, err
	}
	return decodeBody[refundBody](kept)
}

// methodView is a payment method as shops show it to payers.
type methodView struct {
	Method     string `json:"payment_method_type"`
	Name       string `json:"name"`
	Region     string `json:"region"`
	Currency   string `json:"currency"`
	Minimum    int64  `json:"minimum"` // minor units
	Maximum    int64  `json:"maximum"`
	RefundDays int    `json:"refund_days"`
	Contracted bool   `json:"contracted"`
}

// methods lists the payment methods, of one region if it is named, so that a
// shop can show those of the payer's.
func (a *API) methods(r *http.Request, merchantID int64) (any, error) {
	region := strings.ToUpper(r.URL.Query().Get("region"))
	if region != "" && len(region) != 2 {
		return nil, fault.New(fault.Invalid, "bad_region", "region is a two-letter ISO 3166 code.")
	}
	list := []methodView{}
	err := a.engine.Store.View(r.Context(), merchantID, func(rd store.Reader) error {
		m, err := rd.Merchant()
		if err != nil {
			return err
		}
		list = methodsOf(m, region)
		return nil
	})
	return map[string]any{"methods": list}, err
}

func methodsOf(m merchant.Merchant, region string) []methodView {
	list := []methodView{}
	for _, rules := range method.All() {
		if rules.Product != method.AutoDebit || region != "" && rules.Region != region {
			continue
		}
		_, err := rulesOf(m, "", wireName(rules.Method), "PAYMENT_NOT_QUALIFIED")
		c := rules.Currencies[0]
		list = append(list, methodView{
			Method: wireName(rules.Method), Name: rules.Name, Region: rules.Region, Currency: string(c), Minimum: rules.MinimumFor(c),
			Maximum: rules.Maximum, RefundDays: int(rules.RefundFor.Hours() / 24), Contracted: err == nil,
		})
	}
	return list
}

type reportView struct {
	Path    string    `json:"path"`
	Bytes   int       `json:"bytes"`
	Created time.Time `json:"created"`
}

// listReports lists the merchant's report files, oldest first.
func (a *API) listReports(r *http.Request, merchantID int64) (any, error) {
	list := []reportView{}
	err := a.engine.Store.View(r.Context(), merchantID, func(rd store.Reader) error {
		files, err := report.Files(rd)
		for _, f := range files {
			list = append(list, reportView{f.Path, len(f.Data), f.Created})
		}
		return err
	})
	return map[string]any{"reports": list}, err
}

// getReport returns a file as it is.
func (a *API) getReport(r *http.Request, merchantID int64) (any, error) {
	var f report.File
	err := a.engine.Store.View(r.Context(), merchantID, func(rd store.Reader) (err error) {
		f, err = report.Find(rd, r.PathValue("path"))
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// passwordMin is the shortest password of the file server, in characters.
const passwordMin = 12

// addReportAccess lets somebody read the merchant's files over SFTP, by password
// or by key. The user is the client id.
func (a *API) addReportAccess(r *http.Request, merchantID int64) (any, error) {
	var q struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Key      string `json:"public_key"` // a line of authorized_keys
	}
	if err := body(r, &q); err != nil {
		return nil, err
	}
	if q.User == "" {
		q.User = bearer(r)
	}
	owner, err := a.merchantOf(r.Context(), q.User)
	if _, refused := errors.AsType[*refusal](err); refused || err == nil && owner != merchantID {
		return nil, fault.Newf(fault.Invalid, "bad_user", "user %q is not a client id of this world.", q.User)
	}
	if err != nil {
		return nil, err
	}
	var hash []byte
	switch {
	case (q.Password == "") == (q.Key == ""):
		return nil, fault.New(fault.Invalid, "bad_access", "Say how: password or public_key, one of the two.")
	case q.Password != "" && len(q.Password) < passwordMin:
		return nil, fault.Newf(fault.Invalid, "bad_access", "password has to have at least %d characters.", passwordMin)
	case q.Password != "":
		hash = report.PasswordHash(q.User, q.Password)
	default:
		if hash, err = report.AuthorizedKeyHash(q.User, q.Key); err != nil {
			return nil, fault.New(fault.Invalid, "bad_access", "public_key is not a line of an authorized_keys file.").Because(err)
		}
	}
	err = a.engine.Store.PutCredential(r.Context(), store.Credential{Hash: hash, Merchant: merchantID, Kind: report.AccessKind, Created: a.engine.Clock.Now().UTC().Truncate(time.Millisecond)})
	return map[string]any{"user": q.User}, err
}
