package multisafepay

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"rsc.io/qr"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/payment"
	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
)

//go:embed pages
var files embed.FS

var templates = template.Must(template.ParseFS(files, "pages/*.html"))

// openingsMax is how many transactions a payment link can begin (reference
// §3.12).
const openingsMax = 20

// formMax bounds what a page posts.
const formMax = 4 << 10

// pageRoutes serves the payer's pages: the payment page of a session, and the
// method's own page, which the simulator stands in for.
func (a *API) pageRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /connect/{session}/{$}", a.showSession)
	mux.HandleFunc("POST /connect/{session}/{$}", a.chooseMethod)
	mux.HandleFunc("GET /connect/{session}/code/qr.png", a.code)
	mux.HandleFunc("GET /connect/assets/{name}", a.asset)
	mux.HandleFunc("GET /connect/icons/{name}", a.icon)
	mux.HandleFunc("GET /simulator/done", a.finished)
	mux.HandleFunc("GET /simulator/{rest...}", a.showWallet)
	mux.HandleFunc("POST /simulator/{rest...}", a.decideWallet)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { a.problem(w, english, http.StatusNotFound) })
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { a.problem(w, english, http.StatusForbidden) }))
	return protected(guard.Handler(mux))
}

// protected sets the headers every page carries. Pages may be framed, because
// merchants do (reference §11), and run no script but the one that closes them.
func protected(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; form-action *; base-uri 'none'")
		h.Set("Referrer-Policy", "same-origin") // the path is a credential
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		next.ServeHTTP(w, r)
	})
}

// screen is what a page shows. All its texts are escaped by the template.
type screen struct {
	L           *words
	Title       string
	Merchant    string
	Amount      string
	Description string
	Lines       []string // of the order's items
	Methods     []gateway
	Choose      bool   // among several methods
	All         string // link to all methods, "" on the page that has them
	Cancel      bool
	Scenarios   []scenario
	Data        *testData // what can be typed instead of choosing a scenario
	Note        string
	To          string // where the payer goes on
	Close       bool   // the window closes itself
}

func (a *API) render(w http.ResponseWriter, status int, name string, s screen) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, s); err != nil {
		a.log.Error("page failed", "page", name, "error", err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func (a *API) problem(w http.ResponseWriter, l *words, status int) {
	note := map[int]string{http.StatusNotFound: l.NotFound, http.StatusForbidden: l.CrossSite, http.StatusGone: l.Over, http.StatusBadRequest: l.BadForm}[status]
	if note == "" {
		note = l.Wrong
	}
	a.render(w, status, "notice.html", screen{L: l, Title: note})
}

// fail answers a request whose work ended in an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, l *words, err error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		a.problem(w, l, http.StatusNotFound)
	case errors.Is(err, errOver):
		a.problem(w, l, http.StatusGone)
	case errors.Is(err, errForm):
		a.problem(w, l, http.StatusBadRequest)
	default:
		a.log.Error("page failed", "path", r.URL.Path, "error", err)
		a.problem(w, l, http.StatusInternalServerError)
	}
}

var (
	errOver = errors.New("multisafepay: the order can no longer be paid")
	errForm = errors.New("multisafepay: the form was not sent as the page expects it")
)

// sessionOrder finds the order of a session.
func sessionOrder(r store.Reader, session string) (resource.Row, order, error) {
	row, err := r.ResourceBy(kindOrder, "session", session)
	if err != nil {
		return row, order{}, err
	}
	o, err := orderOf(row)
	return row, o, err
}

// payable reports whether a session can still begin a transaction.
func (o *order) payable(at time.Time) bool {
	return o.Ended == sessionOpen && !o.Closed && at.Before(o.Until) && o.Started < openingsMax
}

// showSession shows the payment page.
func (a *API) showSession(w http.ResponseWriter, r *http.Request) {
	session := r.PathValue("session")
	id, ok := sessionWorld(session)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	l := english
	var s screen
	status, over := "", false
	err := a.engine.View(r.Context(), id, func(rd store.Reader, m merchant.Merchant, at time.Time) error {
		v := &view{Reader: rd, api: a, merchant: m, at: at}
		_, o, err := sessionOrder(rd, session)
		if err != nil {
			return err
		}
		l = v.words(&o, r.URL.Query().Get("lang"))
		if status, _, err = v.statuses(&o); err != nil {
			return err
		}
		s = v.screen(l, &o)
		s.To, over = o.returnURL(status), !o.payable(at)
		s.Methods, s.All = v.methods(&o, r.URL.Query())
		s.Choose = o.Gateway == "" || s.All == ""
		return nil
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case taken(status):
		a.leave(w, r, s, false)
	case over:
		s.Title, s.Note = l.Over, l.OverNote
		a.render(w, http.StatusGone, "notice.html", s)
	default:
		s.Title, s.Cancel = l.PayTitle, true
		a.render(w, http.StatusOK, "session.html", s)
	}
}

// screen is what every page about an order shows.
func (v *view) screen(l *words, o *order) screen {
	return screen{L: l, Merchant: siteName(v.merchant), Amount: total(o.amount()), Description: o.Description, Lines: lines(o.Items), Close: o.Options.CloseWindow}
}

// linesMax bounds the items a page shows.
const linesMax = 30

// lines turns the HTML of items into plain lines: markup is dropped, and what
// ends a line there ends one here.
func lines(items string) (out []string) {
	breaks := strings.NewReplacer("</tr>", "\n", "</li>", "\n", "<br>", "\n", "<br/>", "\n", "<br />", "\n", "</p>", "\n", "</td>", " ", "</th>", " ")
	for line := range strings.SplitSeq(tags.ReplaceAllString(breaks.Replace(items), ""), "\n") {
		if line = strings.TrimSpace(line); line != "" && len(out) < linesMax {
			out = append(out, line)
		}
	}
	return out
}

// methods are those the page offers: the order's own, or else those of the
// payer's country; or all of them, if the visitor asks (reference §11).
func (v *view) methods(o *order, q url.Values) (list []gateway, all string) {
	others := "?lang=" + url.QueryEscape(q.Get("lang")) + "&methods=all"
	everything := q.Get("methods") == "all"
	if g, ok := findGateway(o.Gateway); ok && !everything {
		return []gateway{g}, others
	}
	country := o.country()
	for _, g := range gateways {
		switch {
		case !g.enabled(v.merchant.Profile), !g.takes(o.Currency), g.Kind == coupon, o.Manual && !g.rules().SeparateCapture:
		case !everything && !g.rules().OfferedIn(country):
			all = others
		default:
			list = append(list, g)
		}
	}
	return list, all
}

// country is where the payer is thought to be: their address decides, or else
// the locale. A locale that is not supported says nothing about it.
func (o *order) country() string {
	if c := o.Customer["country"]; c != "" {
		return c
	}
	if !locales[o.Locale] {
		return ""
	}
	_, c, _ := strings.Cut(o.Locale, "_")
	return c
}

// form reads what a page posted.
func form(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, formMax)
	if err := r.ParseForm(); err != nil {
		return errForm
	}
	return nil
}

// chooseMethod begins a transaction with the method the payer chose, or ends the
// session if they gave up.
func (a *API) chooseMethod(w http.ResponseWriter, r *http.Request) {
	session := r.PathValue("session")
	id, ok := sessionWorld(session)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	if err := form(w, r); err != nil {
		a.fail(w, r, english, err)
		return
	}
	l, to := english, ""
	var s screen
	err := a.engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		v := a.in(t)
		row, o, err := sessionOrder(t, session)
		if err != nil {
			return err
		}
		l = v.words(&o, r.URL.Query().Get("lang"))
		s = v.screen(l, &o)
		if err := a.settle(t, &row, &o); err != nil {
			return err
		}
		status, _, err := v.statuses(&o)
		switch {
		case err != nil:
			return err
		case taken(status):
			to, s.To = "", o.returnURL(status)
			return nil
		case !o.payable(t.At):
			return errOver
		case r.PostForm.Get("action") == "cancel":
			s.To = o.returnURL("cancelled")
			return a.cancel(t, &row, &o)
		}
		g, ok := findGateway(r.PostForm.Get("gateway"))
		if !ok || !g.enabled(t.Who.Profile) || !g.takes(o.Currency) || o.Manual && !g.rules().SeparateCapture {
			return errForm
		}
		to, err = a.begin(t, &row, &o, g)
		return err
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case to != "":
		http.Redirect(w, r, to, http.StatusSeeOther)
	default:
		a.leave(w, r, s, true)
	}
}

// begin starts a transaction on the payer's page and returns where they go.
func (a *API) begin(t *engine.Tx, row *resource.Row, o *order, g gateway) (string, error) {
	p, err := a.start(t, row, o, g, byAmount(g, o))
	if err != nil {
		return "", err
	}
	if err := a.reload(t, row, o); err != nil {
		return "", err
	}
	if p.State() == payment.AwaitingPayer { // else Tell has told it
		if err := a.notify(t, row, o, t.At.Add(firstAfter)); err != nil {
			return "", err
		}
	}
	_, tx, err := transactionOf(t, p.Owner)
	return walletPath(tx), err
}

// byAmount decides the methods whose test scenario is the amount: up to 9.99 is
// declined, up to 20 completed, more waits for the payer (reference §11.1).
func byAmount(g gateway, o *order) opening {
	const declinedMax, completedMax = 999, 2000
	switch {
	case g.ID != "MBWAY" && g.ID != "MULTIBANCO", o.Amount > completedMax:
		return opening{}
	case o.Amount <= declinedMax:
		return opening{rules: declined(payment.PayerDeclined)}
	}
	return opening{rules: approve()}
}

// scenario is how a test payment can end.
type scenario struct{ Key, Label string }

// scenarios of the test platform; the first two are those of the real one
// (reference §10.3).
var scenarios = []scenario{
	{"completed", "Completed"}, {"cancelled", "Cancelled"}, {"declined", "Declined"}, {"expired", "Expired"}, {"uncleared", "Uncleared"}, {"none", "No answer"},
}

// challenges are how the authentication of a card's holder can end.
var challenges = []scenario{{"completed", "Authenticated (Y)"}, {"declined", "Not authenticated (N)"}, {"cancelled", "Cancelled"}}

// walletName reads the wallet id of a page's address.
func walletName(r *http.Request) string {
	q := r.URL.Query()
	if s := q.Get("auth_order_id"); s != "" {
		return s
	}
	return q.Get("trxid")
}

// walletOrder finds the transaction and the order of a wallet id.
func walletOrder(r store.Reader, name string) (row resource.Row, tx transaction, orderRow resource.Row, o order, err error) {
	if row, err = r.ResourceBy(kindTransaction, "wallet", name); err != nil {
		return row, tx, orderRow, o, err
	}
	if tx, err = resource.Decode[transaction](row); err != nil {
		return row, tx, orderRow, o, err
	}
	if orderRow, err = r.Resource(kindOrder, tx.Order); err != nil {
		return row, tx, orderRow, o, err
	}
	o, err = orderOf(orderRow)
	return row, tx, orderRow, o, err
}

// showWallet shows the test platform in place of the method's own page.
func (a *API) showWallet(w http.ResponseWriter, r *http.Request) {
	id, ok := walletWorld(walletName(r))
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	l := english
	var s screen
	status, offered := "", scenarios
	err := a.engine.View(r.Context(), id, func(rd store.Reader, m merchant.Merchant, at time.Time) error {
		v := &view{Reader: rd, api: a, merchant: m, at: at}
		row, tx, _, o, err := walletOrder(rd, walletName(r))
		if err != nil {
			return err
		}
		l = v.words(&o, "")
		s = v.screen(l, &o)
		g, _ := findGateway(tx.Gateway)
		s.Title, s.Note = "Test platform", g.Name
		s.Data = dataOf(g)
		if tx.Challenge != nil {
			s.Note, offered, s.Data = g.Name+", 3-D Secure", challenges, nil
		}
		if status, _, err = v.transactionStatuses(row, tx); err != nil {
			return err
		}
		s.To = o.returnURL(status)
		return nil
	})
	switch {
	case err != nil:
		a.fail(w, r, l, err)
	case status != "initialized":
		a.leave(w, r, s, false)
	default:
		s.Scenarios = offered
		a.render(w, http.StatusOK, "wallet.html", s)
	}
}

// decideWallet ends a test payment as the page was told to.
func (a *API) decideWallet(w http.ResponseWriter, r *http.Request) {
	name := walletName(r)
	id, ok := walletWorld(name)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	if err := form(w, r); err != nil {
		a.fail(w, r, english, err)
		return
	}
	l := english
	var s screen
	err := a.engine.Update(r.Context(), id, engine.Cause{}, func(t *engine.Tx) error {
		row, tx, orderRow, o, err := walletOrder(t, name)
		if err != nil {
			return err
		}
		v := a.in(t)
		l = v.words(&o, "")
		s = v.screen(l, &o)
		p, err := t.LoadPayment(row.Payment)
		if err != nil {
			return err
		}
		if _, err := t.Lapse(p); err != nil {
			return err
		}
		if p.State() == payment.AwaitingPayer {
			// A sibling may have been paid after this page was opened.
			if _, err := a.unused(t, o.OrderID); err != nil {
				if _, paid := errors.AsType[*wireError](err); !paid {
					return err
				}
				o.Closed = true
				if err := a.saveOrder(t, &orderRow, &o); err != nil {
					return err
				}
				if err := t.Void(p); err != nil {
					return err
				}
			} else if err := a.decide(t, row, tx, orderRow, p, r.PostForm); err != nil {
				return err
			}
		}
		if row, tx, err = transactionOf(t, row.ID); err != nil {
			return err
		}
		status, _, err := v.transactionStatuses(row, tx)
		s.To = o.returnURL(status)
		if r.PostForm.Get("scenario") == "none" {
			s.Title, s.Note, s.To, s.Close = l.Finished, l.CloseNote, "", false
		}
		return err
	})
	if err != nil {
		a.fail(w, r, l, err)
		return
	}
	a.leave(w, r, s, true)
}

// decide applies a scenario to a payment that waits for its payer. What the
// control API scripted for the key goes before an ordinary approval.
func (a *API) decide(t *engine.Tx, row resource.Row, tx transaction, orderRow resource.Row, p *payment.Payment, posted url.Values) error {
	scenario := posted.Get("scenario")
	approve := func(rule rail.Rule) error {
		rule.On = "approve"
		return t.DecidePayment(p.ID, rail.Approve, rule)
	}
	if tx.Challenge != nil {
		return a.decideChallenge(t, row, tx, orderRow, p, scenario, approve)
	}
	if d := dataOf(tx.gateway()); d != nil && posted.Get(d.Name) != "" {
		return a.decideByData(t, row, tx, posted.Get(d.Name), approve)
	}
	switch scenario {
	case "completed":
		if g, _ := findGateway(tx.Gateway); g.Kind == cards {
			tx.Plastic = &plastic{Last4: "1111", Bin: "411111", Expiry: "3012"}
			row.Body = resource.Encode(tx)
			if err := t.UpdateResource(row); err != nil {
				return err
			}
		}
		if scripted(t.Who.Profile.Script, "approve") {
			return t.DecidePayment(p.ID, rail.Approve)
		}
		return approve(rail.Rule{Do: "delay"}) // at once: shops look when the payer returns
	case "cancelled":
		return t.DecidePayment(p.ID, rail.Abort)
	case "declined":
		return t.DecidePayment(p.ID, rail.Decline)
	case "expired":
		return approve(rail.Rule{Do: "decline", Reason: string(reasonTimedOut)})
	case "uncleared":
		tx.Review = true
		row.Body = resource.Encode(tx)
		if err := t.UpdateResource(row); err != nil {
			return err
		}
		if err := approve(rail.Rule{Do: "delay", DelaySeconds: threeMinutes}); err != nil {
			return err
		}
		o, err := orderOf(orderRow)
		if err != nil {
			return err
		}
		return a.changed(t, &orderRow, &o, false)
	case "none":
		return nil
	}
	return errForm
}

// decideChallenge ends the authentication of a card's holder.
func (a *API) decideChallenge(t *engine.Tx, row resource.Row, tx transaction, orderRow resource.Row, p *payment.Payment, scenario string, approve func(rail.Rule) error) error {
	verdict := *tx.Challenge
	tx.Challenge = nil
	switch scenario {
	case "completed":
		tx.Review, tx.Reason, tx.ReasonCode = verdict.Review, verdict.Reason, verdict.Code
	case "declined":
		tx.Reason, tx.ReasonCode = notAuthenticated.reason, notAuthenticated.code
	case "cancelled":
		return t.DecidePayment(p.ID, rail.Abort)
	default:
		return errForm
	}
	row.Body = resource.Encode(tx)
	if err := t.UpdateResource(row); err != nil {
		return err
	}
	if scenario == "declined" {
		return t.DecidePayment(p.ID, rail.Decline)
	}
	if err := approve(verdict.rule()); err != nil || !verdict.Review {
		return err
	}
	return a.lookedAt(t, orderRow.ID)
}

// lookedAt tells of an order that is under review from now on.
func (a *API) lookedAt(t *engine.Tx, id string) error {
	row, err := t.Resource(kindOrder, id)
	if err != nil {
		return err
	}
	o, err := orderOf(row)
	if err != nil {
		return err
	}
	return a.changed(t, &row, &o, false)
}

// scripted reports whether instructions in force say something about a step.
func scripted(script, step string) bool {
	var rules []rail.Rule
	if json.Unmarshal([]byte(script), &rules) != nil {
		return false
	}
	_, ok := rail.Find(rules, step)
	return ok
}

// leave sends the payer on: back to the merchant, or to a page that closes its
// window, or, if there is nowhere to go, to a page of ours.
func (a *API) leave(w http.ResponseWriter, r *http.Request, s screen, posted bool) {
	status := http.StatusFound
	if posted {
		status = http.StatusSeeOther
	}
	switch {
	case s.To == "":
		if s.Title == "" || s.Title == "Test platform" {
			s.Title, s.Note = s.L.Finished, s.L.CloseNote
		}
		a.render(w, http.StatusOK, "notice.html", s)
	case s.Close && posted:
		// The window closes itself; one that may not goes on to the merchant.
		w.Header().Set("Refresh", "1; url="+location(s.To))
		s.Title, s.Note = s.L.Finished, s.L.CloseNote
		a.render(w, http.StatusOK, "close.html", s)
	default:
		w.Header().Set("Location", location(s.To))
		w.WriteHeader(status)
	}
}

// location writes an address as a header: as the merchant wrote it, with only
// the bytes escaped that cannot stand there.
func location(to string) string {
	var b strings.Builder
	for _, c := range []byte(to) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// finished is the page of ours for merchants without a redirect_url.
func (a *API) finished(w http.ResponseWriter, _ *http.Request) {
	a.render(w, http.StatusOK, "notice.html", screen{L: english, Title: english.Finished, Note: english.CloseNote})
}

// asset serves the style sheet and the script.
func (a *API) asset(w http.ResponseWriter, r *http.Request) {
	types := map[string]string{"page.css": "text/css; charset=utf-8", "close.js": "text/javascript; charset=utf-8"}
	name := r.PathValue("name")
	typ, ok := types[name]
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	b, err := files.ReadFile("pages/" + name)
	if err != nil {
		a.fail(w, r, english, err)
		return
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Cache-Control", "max-age=3600")
	_, _ = w.Write(b)
}

// code draws the QR code of a session: its payment page's address.
func (a *API) code(w http.ResponseWriter, r *http.Request) {
	session := r.PathValue("session")
	id, ok := sessionWorld(session)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	var png []byte
	err := a.engine.View(r.Context(), id, func(rd store.Reader, m merchant.Merchant, at time.Time) error {
		_, o, err := sessionOrder(rd, session)
		if err != nil {
			return err
		}
		if o.QR == 0 {
			return store.ErrNotFound
		}
		v := &view{Reader: rd, api: a, merchant: m, at: at}
		drawn, err := qr.Encode(v.paymentURL(&o), qr.M)
		if err != nil {
			return err
		}
		const quiet = 8 // modules around it
		drawn.Scale = max(1, o.QR/(drawn.Size+quiet))
		png = drawn.PNG()
		return nil
	})
	if err != nil {
		a.fail(w, r, english, err)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(png)
}

// icon draws a gateway's name, for lists of methods.
func (a *API) icon(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutSuffix(r.PathValue("name"), ".svg")
	g, ok := findGateway(name)
	if !ok {
		a.problem(w, english, http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "max-age=3600")
	_ = templates.ExecuteTemplate(w, "icon.html", g)
}
