package antom

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/agreement"
	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/event"
	"github.com/ducatpay/ducat/internal/method"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

const kindAuthorization = "antom.authorization"

// authorizationBody is what a consult's row keeps beside what the core knows.
type authorizationBody struct {
	Agreement   string   `json:"agreement"`
	Client      string   `json:"client"`
	Method      string   `json:"method"` // as in the catalogue
	RedirectURL string   `json:"redirect_url"`
	Scopes      []string `json:"scopes"`
	State       string   `json:"state"`
	AuthClient  string   `json:"auth_client,omitempty"`
	Account     string   `json:"account,omitempty"` // merchantAccountId
	NotifyURL   string   `json:"notify_url,omitempty"`
	Terminal    string   `json:"terminal"`
	// What was debited on the last day (settlement zone) of a method that limits it.
	Day   string `json:"day,omitempty"`
	Spent int64  `json:"spent,omitempty"`
}

var (
	terminals = []string{"WEB", "WAP", "APP", "MINI_APP"}
	scopes    = []string{"BASE_USER_INFO", "USER_INFO", "AGREEMENT_PAY", "USER_LOGIN_ID", "HASH_LOGIN_ID", "SEND_OTP", "TAOBAO_REBIND"}
)

// debitScope is the scope without which there is nothing to debit with.
const debitScope = "AGREEMENT_PAY"

// decodeConsult reads the request of antom §5.1.
func decodeConsult(c *call) (b authorizationBody, name string, err error) {
	f := c.in
	name = f.need("customerBelongsTo", 64)
	b.RedirectURL = f.anyURL("authRedirectUrl", 1024)
	b.Scopes = f.strings("scopes", 4, 64)
	b.State = f.need("authState", 256)
	env, _ := f.sub("env")
	b.Terminal = f.oneOf("terminalType", env.oneOf("terminalType", "WEB", terminals...), terminals...)
	os := f.oneOf("osType", env.oneOf("osType", "", "IOS", "ANDROID"), "IOS", "ANDROID")
	f.text("osVersion", 16)
	b.AuthClient = f.text("authClientId", 64)
	f.oneOf("merchantRegion", "", "US", "JP", "PK", "SG", "EU", "UK", "HK", "CN", "AU")
	f.boolean("recurringPayment")
	b.Account = f.text("merchantAccountId", 64)
	b.NotifyURL = f.httpURL("authNotifyUrl", 2048)
	f.text("extendInfo", 2048)
	if len(b.Scopes) == 0 {
		f.bad("scopes", "it is missing.")
	}
	for _, s := range b.Scopes {
		if !slices.Contains(scopes, s) {
			f.bad("scopes", "%q is not one of %s.", s, strings.Join(scopes, ", "))
		}
	}
	if len(b.Scopes) > 0 && !slices.Contains(b.Scopes, debitScope) {
		f.bad("scopes", "auto debit needs %s.", debitScope)
	}
	if os == "" && b.Terminal == "APP" {
		f.bad("osType", "it is missing; an APP needs it.")
	}
	b.Client = c.client.id
	return b, name, f.failed()
}

// stateKey finds a consult by the merchant's authState, which is unique per
// client and account.
func stateKey(clientID, account, state string) string {
	return clientID + "\x1f" + account + "\x1f" + state
}

// kindState is a row per authState. Its only use is to be written before it is
// looked for consults with the same authState, so that two at the same time take
// turns: the second one finds what the first one began.
const kindState = Name + ".state"

func claimState(t *engine.Tx, key string) error {
	row, err := t.Resource(kindState, key)
	if errors.Is(err, store.ErrNotFound) {
		return t.InsertResource(newRow(t, kindState, key, "", struct{}{}))
	}
	if err != nil {
		return err
	}
	return t.UpdateResource(row)
}

func consult(c *call) (step, error) {
	b, name, err := decodeConsult(c)
	if err != nil {
		return step{}, err
	}
	var found *agreement.Agreement
	return step{
		begin: func(t *engine.Tx) error {
			found = nil
			b := b
			rules, err := rulesOf(t.Who, "customerBelongsTo", name, "PAYMENT_METHOD_NOT_SUPPORTED")
			if err != nil {
				return err
			}
			b.Method = rules.Method
			if err := claimState(t, stateKey(b.Client, b.Account, b.State)); err != nil {
				return err
			}
			row, err := t.ResourceBy(kindAuthorization, "state", stateKey(b.Client, b.Account, b.State))
			if err == nil {
				if found, err = c.repeated(t, row, b); err != nil || found != nil {
					return err
				}
			} else if !errors.Is(err, store.ErrNotFound) {
				return err
			}
			rowID := t.NewID("auth_")
			if found, err = t.RequestAgreement(agreement.Agreement{Front: Name, Owner: rowID, Kind: kindAuthorization, Product: method.AutoDebit, Method: rules.Method}); err != nil {
				return err
			}
			b.Agreement = found.ID
			return t.InsertResource(resource.Row{
				Kind: kindAuthorization, ID: rowID, Sort: sortOf(rowID), Created: t.At, Body: encodeBody(b),
				Keys: []resource.Key{{Name: "state", Value: stateKey(b.Client, b.Account, b.State)}, {Name: "agreement", Value: found.ID}},
			})
		},
		finish: func(t *engine.Tx) (object, error) {
			return c.api.consultAnswer(t, found, b.Terminal), nil
		},
	}, nil
}

// repeated finds what an earlier consult with the same authState came to: the
// same while the payer has not decided, a fresh one if it ended without tokens,
// and a refusal when the payer has agreed (antom §7.1).
func (c *call) repeated(t *engine.Tx, row resource.Row, b authorizationBody) (*agreement.Agreement, error) {
	old, err := decodeBody[authorizationBody](row)
	if err != nil {
		return nil, err
	}
	a, err := t.LoadAgreement(old.Agreement)
	if err != nil {
		return nil, err
	}
	switch a.State() {
	case agreement.Requested:
		if old.Method == b.Method && old.RedirectURL == b.RedirectURL && slices.Equal(old.Scopes, b.Scopes) {
			return a, nil
		}
		return nil, t.RevokeAgreement(a, agreement.Replaced) // the newest wins
	case agreement.Agreed, agreement.Active:
		return nil, refuse("REPEAT_REQ_INCONSISTENT", "The payer has agreed to an authorization with this authState already.")
	case agreement.Declined, agreement.Expired, agreement.Revoked:
	}
	return nil, nil
}

// consultAnswer renders the URLs of the consent page (antom §5.1).
func (a *API) consultAnswer(t *engine.Tx, g *agreement.Agreement, terminal string) object {
	page := a.config.BaseURL + "/pay/agreements/" + engine.AgreementToken(t.Who, *g)
	l := linksOf[g.Method]
	out := object{{"result", success()}, {"normalUrl", page}, {"authUrl", page}}
	if l.authURL {
		out = object{{"result", success()}, {"authUrl", page}}
	}
	if terminal == "WEB" {
		if l.scan {
			out = append(out, member{"authCodeForm", object{{"codeDetails", []object{
				{{"codeValueType", "QRCODE"}, {"codeValue", page}, {"displayType", "TEXT"}},
				{{"codeValueType", "QRCODE"}, {"codeValue", page + "/code.png"}, {"displayType", "BIGIMAGE"}},
			}}}})
		}
		return out
	}
	if l.applink {
		out = append(out, member{"applinkUrl", page + "?from=app"})
	}
	if l.scheme != "" {
		out = append(out, member{"schemeUrl", l.scheme + "://ducat/agreements?page=" + escape(page)})
	}
	return append(out, member{"appIdentifier", l.appID})
}

// tokens renders the tokens of an agreement's generation.
func (a *API) tokens(t *engine.Tx, g *agreement.Agreement, generation int64) (object, error) {
	ks, err := t.AgreementTokens(g.ID)
	if err != nil {
		return nil, err
	}
	out := object{{"result", success()}}
	var refresh object
	for _, k := range ks {
		if k.Number != generation {
			continue
		}
		switch secret := a.secret(t.Who.ID, g.ID, k.Kind, generation); k.Kind {
		case agreement.Access:
			out = append(out, member{"accessToken", secret}, member{"accessTokenExpiryTime", stamp(k.Until)})
		case agreement.Refresh:
			refresh = object{{"refreshToken", secret}, {"refreshTokenExpiryTime", stamp(k.Until)}}
		case agreement.Code:
		}
	}
	out = append(out, refresh...)
	return append(out, member{"userLoginId", loginID(g)}, member{"pspCustomerInfo", payerInfo(g)}), nil
}

// loginID is the payer's login as the wallet shows it: masked.
func loginID(g *agreement.Agreement) string {
	if len(g.Payer) < 8 {
		return g.Payer
	}
	return g.Payer[:2] + "****" + g.Payer[len(g.Payer)-3:]
}

func payerInfo(g *agreement.Agreement) object {
	r, _ := method.Find(g.Product, g.Method)
	return object{{"pspName", r.Name}, {"pspCustomerId", g.Payer}, {"displayCustomerId", loginID(g)}}
}

// replayFor is how long the same applyToken gives the same tokens (antom §7.1).
const replayFor = 10 * time.Minute

func applyToken(c *call) (step, error) {
	f := c.in
	grant := strings.ToUpper(f.need("grantType", 32))
	name := f.need("customerBelongsTo", 64)
	var secret string
	want := agreement.Code
	switch grant {
	case "AUTHORIZATION_CODE":
		secret = f.need("authCode", 128)
	case "REFRESH_TOKEN":
		secret, want = f.need("refreshToken", 128), agreement.Refresh
	case "":
	default:
		f.bad("grantType", "%q is not one of AUTHORIZATION_CODE, REFRESH_TOKEN.", grant)
	}
	f.text("merchantRegion", 2)
	f.text("merchantAccountId", 64)
	f.text("extendInfo", 2048)
	if err := f.failed(); err != nil {
		return step{}, err
	}
	var found *agreement.Agreement
	var generation int64
	return step{
		begin: func(t *engine.Tx) error {
			rules, err := rulesOf(t.Who, "customerBelongsTo", name, "PAYMENT_METHOD_NOT_SUPPORTED")
			if err != nil {
				return err
			}
			k, a, err := t.TokenOf(secret)
			invalid := refuse("INVALID_CODE", "The code or refresh token is unknown or has been used.")
			if errors.Is(err, store.ErrNotFound) {
				return invalid
			}
			if err != nil {
				return err
			}
			if mine, err := c.owns(t, a); err != nil || !mine || k.Kind != want || a.Method != rules.Method {
				return errors.Join(err, invalid)
			}
			found, generation = a, k.Number+1
			if a.State() == agreement.Active && a.Generation() >= generation {
				return c.replayed(t, a, generation)
			}
			if a.State() != agreement.Agreed && a.State() != agreement.Active || !k.Good(t.At) {
				if a.State() == agreement.Revoked {
					return invalid
				}
				return refuse("EXPIRED_CODE", "The code or refresh token is past its validity; ask the payer to authorize again.")
			}
			_, err = t.ExchangeToken(k, a, func(kind agreement.TokenKind, n int64) string {
				return c.api.secret(t.Who.ID, a.ID, kind, n)
			})
			return err
		},
		finish: func(t *engine.Tx) (object, error) { return c.api.tokens(t, found, generation) },
	}, nil
}

// replayed allows a repeat of an exchange that was answered a moment ago.
func (c *call) replayed(t *engine.Tx, a *agreement.Agreement, generation int64) error {
	ks, err := t.AgreementTokens(a.ID)
	if err != nil {
		return err
	}
	for _, k := range ks {
		if k.Number == generation && k.Kind == agreement.Access && k.Good(t.At) && t.At.Before(k.Created.Add(replayFor)) {
			return nil
		}
	}
	return refuse("INVALID_CODE", "The code or refresh token is unknown or has been used.")
}

// owns reports whether an agreement was made by this dialect for the client.
func (c *call) owns(t *engine.Tx, a *agreement.Agreement) (bool, error) {
	if a.Front != Name {
		return false, nil
	}
	row, err := t.Resource(kindAuthorization, a.Owner)
	if err != nil {
		return false, err
	}
	b, err := decodeBody[authorizationBody](row)
	return b.Client == c.client.id, err
}

// access finds the agreement an access token debits, or refuses the token.
func (c *call) access(t *engine.Tx, secret string) (agreement.Debitable, error) {
	bad := refuse("INVALID_ACCESS_TOKEN", "%s", wordsFor("INVALID_ACCESS_TOKEN"))
	k, a, err := t.TokenOf(secret)
	if errors.Is(err, store.ErrNotFound) {
		return agreement.Debitable{}, bad
	}
	if err != nil {
		return agreement.Debitable{}, err
	}
	proof, ok := a.DebitableBy(k, t.At)
	if mine, err := c.owns(t, a); err != nil || !mine || !ok {
		return agreement.Debitable{}, errors.Join(err, bad)
	}
	return proof, nil
}

func revoke(c *call) (step, error) {
	secret := c.in.need("accessToken", 128)
	c.in.text("merchantAccountId", 64)
	c.in.text("extendInfo", 2048)
	if err := c.in.failed(); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			proof, err := c.access(t, secret)
			if err != nil {
				return err
			}
			return t.RevokeAgreement(proof.Agreement(), agreement.ByMerchant)
		},
		finish: func(*engine.Tx) (object, error) { return object{{"result", success()}}, nil },
	}, nil
}

// queryToken answers what became of a token (antom §5.4).
func queryToken(c *call) (step, error) {
	secret := c.in.need("accessToken", 128)
	if err := c.in.failed(); err != nil {
		return step{}, err
	}
	var k agreement.Token
	var a *agreement.Agreement
	return step{
		begin: func(t *engine.Tx) (err error) {
			bad := refuse("INVALID_ACCESS_TOKEN", "%s", wordsFor("INVALID_ACCESS_TOKEN"))
			k, a, err = t.TokenOf(secret)
			if errors.Is(err, store.ErrNotFound) {
				return bad
			}
			if err != nil {
				return err
			}
			if mine, err := c.owns(t, a); err != nil || !mine || k.Kind != agreement.Access {
				return errors.Join(err, bad)
			}
			return nil
		},
		finish: func(t *engine.Tx) (object, error) {
			out, err := c.api.tokens(t, a, k.Number)
			status := "EXPIRED"
			switch {
			case a.State() == agreement.Revoked:
				status = "CANCELLED"
			case a.State() == agreement.Active && k.Good(t.At):
				status = "ACTIVE"
			}
			return append(out, member{"tokenStatusType", status}), err
		},
	}, nil
}

// TellAgreement implements engine.AgreementFront (antom §6.2). Only successes are
// notified.
func (a *API) TellAgreement(t *engine.Tx, f event.Fact, g *agreement.Agreement) error {
	row, err := t.Resource(kindAuthorization, g.Owner)
	if err != nil {
		return err
	}
	b, err := decodeBody[authorizationBody](row)
	if err != nil {
		return err
	}
	msg := object{{"authorizationNotifyType", ""}, {"authState", b.State}, {"authClientId", b.AuthClient}}
	var kind string
	switch f.Kind {
	case event.AgreementConsented:
		code := a.secret(t.Who.ID, g.ID, agreement.Code, 0)
		if err := t.GiveCode(g, code); err != nil {
			return err
		}
		kind = "AUTHCODE_CREATED"
		msg = append(msg, member{"authCode", code})
	case event.AgreementActivated:
		if t.Who.Profile.Settings[settingTokenCreated] != "true" {
			return nil
		}
		kind = "TOKEN_CREATED"
		msg = append(msg, member{"accessToken", a.secret(t.Who.ID, g.ID, agreement.Access, g.Generation())})
	case event.AgreementRevoked:
		if g.Generation() == 0 || agreement.By(f.Reason) == agreement.ByPayer && engine.AgreementRules(*g).Unheard {
			return nil
		}
		kind = "TOKEN_CANCELED"
		msg = object{{}, {"accessToken", a.secret(t.Who.ID, g.ID, agreement.Access, g.Generation())}, {"authClientId", b.AuthClient}, {"reason", revokeReasons[agreement.By(f.Reason)]}}
	default:
		return nil
	}
	msg[0] = member{"authorizationNotifyType", kind}
	if g.Payer != "" {
		msg = append(msg, member{"userLoginId", loginID(g)}, member{"userId", g.Payer})
	}
	msg = append(msg, member{"result", result("SUCCESS", "success")})
	return a.notify(t, notice{kind: kind, client: b.Client, url: orSetting(t, b.NotifyURL, settingNotifyAuth), body: msg})
}

var revokeReasons = map[agreement.By]string{
	agreement.ByPayer: "User cancelled in wallet", agreement.ByMerchant: "Revoked by merchant", agreement.Replaced: "Replaced by a new authorization",
}

// AgreementReturnTo implements engine.AgreementFront: the code and the state are
// appended to whatever query the merchant's address has; without consent there
// is no code (antom §5.1).
func (a *API) AgreementReturnTo(r store.Reader, g agreement.Agreement) (string, []engine.Detail, error) {
	row, err := r.Resource(kindAuthorization, g.Owner)
	if err != nil {
		return "", nil, err
	}
	m, err := r.Merchant()
	if err != nil {
		return "", nil, err
	}
	b, err := decodeBody[authorizationBody](row)
	if err != nil {
		return "", nil, err
	}
	query := "authState=" + escape(b.State)
	if s := g.State(); s == agreement.Agreed || s == agreement.Active {
		query = "authCode=" + escape(a.secret(m.ID, g.ID, agreement.Code, 0)) + "&" + query
	}
	return withQuery(b.RedirectURL, query), []engine.Detail{
		{Label: "Scopes", Value: strings.Join(b.Scopes, ", ")}, {Label: "State", Value: b.State}, {Label: "Return URL", Value: b.RedirectURL},
	}, nil
}

// withQuery appends parameters to a URL, before its fragment.
func withQuery(to, query string) string {
	base, fragment, hasFragment := strings.Cut(to, "#")
	switch {
	case !strings.Contains(base, "?"):
		base += "?"
	case !strings.HasSuffix(base, "?") && !strings.HasSuffix(base, "&"):
		base += "&"
	}
	base += query
	if hasFragment {
		base += "#" + fragment
	}
	return base
}

// orSetting is an address from the request or, without one, the merchant's own.
func orSetting(t *engine.Tx, url, setting string) string {
	if url != "" {
		return url
	}
	return t.Who.Profile.Settings[setting]
}

var _ engine.AgreementFront = (*API)(nil)
