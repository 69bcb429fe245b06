package hosted_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/hosted"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	return do(h, httptest.NewRequest("GET", path, nil))
}

// post sends a form the way curl does: without Origin and Sec-Fetch-Site.
func post(h http.Handler, fields ...string) *httptest.ResponseRecorder {
	return do(h, newPost(fields...))
}

func newPost(fields ...string) *http.Request {
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	r := httptest.NewRequest("POST", "/pay/"+token, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, want int) {
	t.Helper()
	if w.Code != want {
		t.Fatalf("status %d, want %d; body:\n%s", w.Code, want, w.Body)
	}
}

func wantLocation(t *testing.T, w *httptest.ResponseRecorder, status int, want string) {
	t.Helper()
	wantStatus(t, w, status)
	if got := w.Header().Get("Location"); got != want {
		t.Fatalf("Location %q, want %q", got, want)
	}
}

func wantText(t *testing.T, w *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("body lacks %q:\n%s", text, w.Body)
		}
	}
}

func state(s hosted.State) func(*hosted.Page) {
	return func(p *hosted.Page) { p.State = s }
}

func returnURL(u string) func(*hosted.Page) {
	return func(p *hosted.Page) { p.ReturnURL = u }
}

func TestFormSaysWhatEndToEndSuitesLookFor(t *testing.T) {
	t.Parallel()
	w := get(newHandler(t, newDesk()), "/pay/"+token)
	wantStatus(t, w, http.StatusOK)
	wantText(t, w, "Alipay test payment page", `method="post"`, "$10.99", "Ducat sandbox acct_1QxP2nKd83bY")
	for value, label := range map[string]string{
		"authorize":           "Authorize Test Payment",
		"decline":             "Fail Test Payment",
		"cancel":              "Cancel and return",
		"authorize_no_return": "Authorize without returning",
	} {
		button := regexp.MustCompile(`<button [^>]*name="decision" value="` + value + `"[^>]*>` + label + `</button>`)
		if !button.MatchString(w.Body.String()) {
			t.Errorf("no button %q labelled %q", value, label)
		}
	}
	if strings.Contains(w.Body.String(), "<script") {
		t.Error("the page carries script")
	}
}

func TestLivePageClaimsNoTest(t *testing.T) {
	t.Parallel()
	w := get(newHandler(t, newDesk(func(p *hosted.Page) { p.Livemode = true })), "/pay/"+token)
	wantStatus(t, w, http.StatusOK)
	for _, text := range []string{"Test", "test payment", "No money moves"} {
		if strings.Contains(strings.ReplaceAll(w.Body.String(), "test-source-authorize-3ds", ""), text) {
			t.Errorf("live page says %q", text)
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	for _, decision := range []hosted.Decision{hosted.Authorize, hosted.Decline, hosted.Cancel} {
		t.Run(string(decision), func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			h := newHandler(t, d)
			wantLocation(t, post(h, "decision", string(decision)), http.StatusSeeOther, d.page.ReturnURL)
			want := hosted.Request{Token: token, Decision: decision}
			if got := d.decided(); len(got) != 1 || got[0] != want {
				t.Fatalf("desk was asked %v, want %v", got, want)
			}
		})
	}
	t.Run("AuthorizeWithoutReturning", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		w := post(newHandler(t, d), "decision", "authorize_no_return")
		wantStatus(t, w, http.StatusOK)
		wantText(t, w, "Payment authorized", "You may close this window", "$10.99")
		if got := w.Header().Get("Location"); got != "" {
			t.Errorf("Location %q, want none", got)
		}
		if got := d.decided(); len(got) != 1 || got[0].Decision != hosted.AuthorizeNoReturn {
			t.Errorf("desk was asked %v", got)
		}
	})
	t.Run("Scenario", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		post(newHandler(t, d), "decision", "authorize", "scenario", "chargeable_delay=30")
		if got := d.decided(); len(got) != 1 || got[0].Scenario != "chargeable_delay=30" {
			t.Errorf("desk was asked %v", got)
		}
	})
	t.Run("Multipart", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		if err := form.WriteField("decision", "decline"); err != nil {
			t.Fatal(err)
		}
		if err := form.Close(); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("POST", "/pay/"+token, &body)
		r.Header.Set("Content-Type", form.FormDataContentType())
		wantLocation(t, do(newHandler(t, d), r), http.StatusSeeOther, d.page.ReturnURL)
	})
	t.Run("TwiceDecidesOnce", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		h := newHandler(t, d)
		post(h, "decision", "authorize")
		wantLocation(t, post(h, "decision", "decline"), http.StatusSeeOther, d.page.ReturnURL)
		if got := d.decided(); len(got) != 1 {
			t.Errorf("desk was asked %v, want one decision", got)
		}
	})
}

func TestSettledPaymentsSendThePayerOn(t *testing.T) {
	t.Parallel()
	t.Run("GetWhenDone", func(t *testing.T) {
		t.Parallel()
		d := newDesk(state(hosted.Done))
		wantLocation(t, get(newHandler(t, d), "/pay/"+token), http.StatusFound, d.page.ReturnURL)
	})
	t.Run("GetWhenExpired", func(t *testing.T) {
		t.Parallel()
		d := newDesk(state(hosted.Expired))
		w := get(newHandler(t, d), "/pay/"+token)
		wantStatus(t, w, http.StatusOK)
		wantText(t, w, "payment link has expired", strings.ReplaceAll(d.page.ReturnURL, "&", "&amp;"))
	})
	for name, s := range map[string]hosted.State{"Done": hosted.Done, "Expired": hosted.Expired} {
		for _, decision := range []string{"authorize", "authorize_no_return"} {
			t.Run("PostWhen"+name+"/"+decision, func(t *testing.T) {
				t.Parallel()
				d := newDesk(state(s))
				wantLocation(t, post(newHandler(t, d), "decision", decision), http.StatusSeeOther, d.page.ReturnURL)
				if got := d.decided(); len(got) != 0 {
					t.Errorf("desk was asked %v", got)
				}
			})
		}
	}
	t.Run("LostRace", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		d.decideErr = hosted.ErrTooLate
		wantLocation(t, post(newHandler(t, d), "decision", "authorize_no_return"), http.StatusSeeOther, d.page.ReturnURL)
	})
	t.Run("ExpiredMeanwhile", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		d.after = hosted.Expired
		wantLocation(t, post(newHandler(t, d), "decision", "authorize_no_return"), http.StatusSeeOther, d.page.ReturnURL)
	})
	t.Run("DecidedButNotYetSettled", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		d.after = hosted.Open
		wantLocation(t, post(newHandler(t, d), "decision", "authorize"), http.StatusSeeOther, d.page.ReturnURL)
	})
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fields []string
		want   []string
	}{
		"UnknownDecision":  {[]string{"decision", "approve"}, []string{"authorize, decline, cancel, authorize_no_return", "&#34;approve&#34;"}},
		"MissingDecision":  {nil, []string{"&#34;decision&#34;", "missing"}},
		"TwoDecisions":     {[]string{"decision", "authorize", "decision", "decline"}, []string{"more than once"}},
		"UnknownScenario":  {[]string{"decision", "authorize", "scenario", "moon"}, []string{"&#34;moon&#34;"}},
		"LongDecision":     {[]string{"decision", strings.Repeat("x", 5000)}, []string{strings.Repeat("x", 64) + "…"}},
		"InjectedDecision": {[]string{"decision", "<script>alert(1)</script>"}, []string{"&lt;script&gt;"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			w := post(newHandler(t, d), c.fields...)
			wantStatus(t, w, http.StatusBadRequest)
			wantText(t, w, c.want...)
			if strings.Contains(w.Body.String(), "<script") {
				t.Error("script survived")
			}
			if got := d.decided(); len(got) != 0 {
				t.Errorf("desk was asked %v", got)
			}
		})
	}
	t.Run("DecisionInQueryOnly", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		r := httptest.NewRequest("POST", "/pay/"+token+"?decision=authorize", nil)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		wantStatus(t, do(newHandler(t, d), r), http.StatusBadRequest)
	})
	t.Run("MalformedForm", func(t *testing.T) {
		t.Parallel()
		r := httptest.NewRequest("POST", "/pay/"+token, strings.NewReader("decision=%zz"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := do(newHandler(t, newDesk()), r)
		wantStatus(t, w, http.StatusBadRequest)
		wantText(t, w, "not a well-formed form")
	})
	t.Run("TooLarge", func(t *testing.T) {
		t.Parallel()
		w := post(newHandler(t, newDesk()), "decision", "authorize", "padding", strings.Repeat("x", 64<<10))
		wantStatus(t, w, http.StatusRequestEntityTooLarge)
	})
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/pay/unknown", "/pay/", "/pay/" + token + "/more", "/pay/assets/none.css", "/pay/assets/",
		"/pay/" + strings.Repeat("a", 300), "/pay/a%00b", "/pay/%E2%82%AC", "/elsewhere",
	} {
		d := newDesk()
		w := get(newHandler(t, d), path)
		wantStatus(t, w, http.StatusNotFound)
		for _, secret := range []string{"Ducat sandbox", "$10.99", "shop.example"} {
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s: page tells %q", path, secret)
			}
		}
	}
	t.Run("PostToUnknown", func(t *testing.T) {
		t.Parallel()
		r := newPost("decision", "authorize")
		r.URL.Path = "/pay/unknown"
		wantStatus(t, do(newHandler(t, newDesk()), r), http.StatusNotFound)
	})
	t.Run("GoneBetweenOpenAndDecide", func(t *testing.T) {
		t.Parallel()
		d := newDesk()
		d.decideErr = hosted.ErrNotFound
		wantStatus(t, post(newHandler(t, d), "decision", "authorize"), http.StatusNotFound)
	})
}

func TestInternalErrorsStayInTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("database on fire")
	for name, d := range map[string]*fakeDesk{
		"Open":         {openErr: cause},
		"Decide":       {token: token, page: ordinaryPage(), decideErr: cause},
		"UnknownState": {token: token, page: hosted.Page{State: 77}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			h := hosted.New(d, hosted.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			w := post(h, "decision", "authorize")
			wantStatus(t, w, http.StatusInternalServerError)
			if strings.Contains(w.Body.String(), "fire") {
				t.Error("page tells the cause")
			}
			if log.Len() == 0 {
				t.Error("nothing was logged")
			}
			if strings.Contains(log.String(), token) {
				t.Errorf("log tells the token: %s", &log)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	h := newHandler(t, newDesk())
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
		w := do(h, httptest.NewRequest(method, "/pay/"+token, nil))
		wantStatus(t, w, http.StatusMethodNotAllowed)
		if got, want := w.Header().Get("Allow"), "GET, HEAD, POST"; got != want {
			t.Errorf("%s: Allow %q, want %q", method, got, want)
		}
	}
	wantStatus(t, do(h, httptest.NewRequest("POST", "/pay/assets/pay.css", nil)), http.StatusMethodNotAllowed)

	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	res, err := srv.Client().Head(srv.URL + "/pay/" + token)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || len(body) != 0 || res.ContentLength <= 0 {
		t.Errorf("HEAD: status %d, %d bytes of body, Content-Length %d", res.StatusCode, len(body), res.ContentLength)
	}
}

func TestHeadersOnEveryAnswer(t *testing.T) {
	t.Parallel()
	crossSite := newPost("decision", "authorize")
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	for name, c := range map[string]struct {
		d *fakeDesk
		r *http.Request
	}{
		"Form":       {newDesk(), httptest.NewRequest("GET", "/pay/"+token, nil)},
		"Done":       {newDesk(state(hosted.Done)), httptest.NewRequest("GET", "/pay/"+token, nil)},
		"Expired":    {newDesk(state(hosted.Expired)), httptest.NewRequest("GET", "/pay/"+token, nil)},
		"Return":     {newDesk(), newPost("decision", "authorize")},
		"Authorized": {newDesk(), newPost("decision", "authorize_no_return")},
		"Bad":        {newDesk(), newPost("decision", "x")},
		"NotFound":   {newDesk(), httptest.NewRequest("GET", "/pay/x", nil)},
		"Method":     {newDesk(), httptest.NewRequest("PUT", "/pay/"+token, nil)},
		"CrossSite":  {newDesk(), crossSite},
		"Internal":   {&fakeDesk{openErr: errors.New("x")}, httptest.NewRequest("GET", "/pay/"+token, nil)},
	} {
		w := do(newHandler(t, c.d), c.r)
		for header, want := range map[string]string{
			"Cache-Control":          "no-store",
			"Referrer-Policy":        "no-referrer",
			"X-Content-Type-Options": "nosniff",
			"X-Frame-Options":        "DENY",
			"X-Robots-Tag":           "noindex",
			"Content-Type":           "text/html; charset=utf-8",
			"Content-Language":       "en",
		} {
			if got := w.Header().Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
		csp := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "style-src 'self'", "img-src 'self'",
			"frame-ancestors 'none'", "base-uri 'none'", "form-action ",
		} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %q", name, csp, want)
			}
		}
	}
}

// TestOnlyChallengesAreFramed: a bank's page is shown inside the merchant's, no
// other page is.
func TestOnlyChallengesAreFramed(t *testing.T) {
	t.Parallel()
	desk := func(challenge bool) *fakeDesk {
		d := newDesk()
		d.page.Challenge = challenge
		return d
	}
	for _, c := range []struct {
		name string
		d    *fakeDesk
		r    *http.Request
		want bool
	}{
		{"challenge", desk(true), httptest.NewRequest("GET", "/pay/"+token, nil), true},
		{"decided", desk(true), newPost("decision", "authorize"), true},
		{"form", desk(false), httptest.NewRequest("GET", "/pay/"+token, nil), false},
		{"unknown", desk(true), httptest.NewRequest("GET", "/pay/x", nil), false},
	} {
		h := do(newHandler(t, c.d), c.r).Header()
		free := h.Get("X-Frame-Options") == "" && strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors *;")
		if free != c.want || !c.want && (h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'")) {
			t.Errorf("%s: %v", c.name, h)
		}
	}
}

func TestFormActionFollowsTheReturnURL(t *testing.T) {
	t.Parallel()
	for u, want := range map[string]string{
		"https://shop.example/":   "form-action *;",
		"MyApp:pay":               "form-action * myapp:;",
		"com.shop.pay+x://return": "form-action * com.shop.pay+x:;",
	} {
		w := get(newHandler(t, newDesk(returnURL(u))), "/pay/"+token)
		if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, want) {
			t.Errorf("%s: policy %q lacks %q", u, csp, want)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers map[string]string
		want    int
	}{
		"Script":            {nil, http.StatusSeeOther},
		"OwnPage":           {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "null"}, http.StatusSeeOther},
		"OwnPagePlainHTTP":  {map[string]string{"Origin": "http://example.com"}, http.StatusSeeOther},
		"OtherSite":         {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, http.StatusForbidden},
		"Subdomain":         {map[string]string{"Sec-Fetch-Site": "same-site"}, http.StatusForbidden},
		"OtherSitePlain":    {map[string]string{"Origin": "http://evil.example"}, http.StatusForbidden},
		"SandboxedDocument": {map[string]string{"Origin": "null"}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk()
			r := newPost("decision", "authorize")
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			wantStatus(t, do(newHandler(t, d), r), c.want)
			if got, want := len(d.decided()), map[int]int{http.StatusSeeOther: 1}[c.want]; got != want {
				t.Errorf("%d decisions, want %d", got, want)
			}
		})
	}
}

func TestReturnURLLeavesVerbatim(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"myapp:pay?x=1":                         "",
		"myapp://x":                             "",
		"myapp://x/../y//z?a=%2f&b=%zz#f":       "",
		"intent://pay#Intent;scheme=shop;end":   "",
		"https://x.example":                     "",
		"HTTPS://Shop.EXAMPLE/a/../b?q=1&q=2":   "",
		"https://shop.example/?n=a b":           "https://shop.example/?n=a%20b",
		"https://shop.example/收银台?名=é":          "https://shop.example/%E6%94%B6%E9%93%B6%E5%8F%B0?%E5%90%8D=%C3%A9",
		`https://shop.example/?q="><script>x=1`: "",
	} {
		if want == "" {
			want = raw
		}
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			w := post(newHandler(t, newDesk(returnURL(raw))), "decision", "authorize")
			wantLocation(t, w, http.StatusSeeOther, want)
			if strings.Contains(w.Body.String(), "ZgotmplZ") || strings.Contains(w.Body.String(), "<script") {
				t.Errorf("body is wrong:\n%s", w.Body)
			}
			label := "Return to the app"
			if strings.HasPrefix(strings.ToLower(raw), "http") {
				label = "Return to the merchant"
			}
			wantText(t, w, ">"+label+"</a>")
			wantLocation(t, get(newHandler(t, newDesk(returnURL(raw), state(hosted.Done))), "/pay/"+token), http.StatusFound, want)
		})
	}
}

func TestUnsafeReturnURLIsNeverUsed(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
		"\x01javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://x/1",
		"about:blank", "filesystem:https://x/1", "view-source:https://x", "//evil.example", "/local", "shop.example", "1x:y", "https:",
		"my app:x", "a;script-src *:x", ":x", "https://x.example/\r\nSet-Cookie: a=b", "https://x.example/\x7f",
	} {
		t.Run(raw, func(t *testing.T) {
			t.Parallel()
			for _, s := range []hosted.State{hosted.Open, hosted.Done, hosted.Expired} {
				d := newDesk(returnURL(raw), state(s), func(p *hosted.Page) { p.Details = nil })
				for _, w := range []*httptest.ResponseRecorder{
					get(newHandler(t, d), "/pay/"+token),
					post(newHandler(t, d), "decision", "authorize"),
				} {
					wantStatus(t, w, http.StatusOK)
					if got := w.Header().Get("Location"); got != "" {
						t.Errorf("Location %q, want none", got)
					}
					if raw != "" && strings.Contains(w.Body.String(), raw) {
						t.Errorf("page repeats %q", raw)
					}
					if strings.Contains(w.Body.String(), "ZgotmplZ") || strings.Contains(w.Body.String(), `class="out"`) {
						t.Error("page has a link to nowhere")
					}
					if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "form-action * ") {
						t.Errorf("policy was extended: %q", csp)
					}
				}
			}
		})
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                               "en",
		"zh":                             "zh-Hans",
		"zh-CN,zh;q=0.9,en;q=0.8":        "zh-Hans",
		"ZH-TW":                          "zh-Hans",
		"en-GB,zh;q=0.9":                 "en",
		"en;q=0.3, zh;q=0.4":             "zh-Hans",
		"fr-FR,fr;q=0.9,zh;q=0.5":        "zh-Hans",
		"fr":                             "en",
		"zh;q=0":                         "en",
		"zh;q=x,en":                      "en",
		"*":                              "en",
		";;,,q=1":                        "en",
		"zhx":                            "en",
		strings.Repeat("zh;q=0.1,", 500): "zh-Hans",
	} {
		r := httptest.NewRequest("GET", "/pay/"+token, nil)
		r.Header.Set("Accept-Language", accept)
		w := do(newHandler(t, newDesk()), r)
		if got := w.Header().Get("Content-Language"); got != want {
			t.Errorf("%q: language %q, want %q", accept, got, want)
		}
		wantText(t, w, `<html lang="`+want+`">`)
	}
	t.Run("LinkWinsOverHeader", func(t *testing.T) {
		t.Parallel()
		w := get(newHandler(t, newDesk()), "/pay/"+token+"?lang=zh")
		wantText(t, w, "支付宝测试付款页面", "授权测试付款", `href="?lang=en"`, "返回地址", "测试模式")
	})
	t.Run("UnknownMethodKeepsItsName", func(t *testing.T) {
		t.Parallel()
		d := newDesk(func(p *hosted.Page) { p.MethodKey, p.MethodName = "kakaopay", "KakaoPay" })
		wantText(t, get(newHandler(t, d), "/pay/"+token+"?lang=zh"), "KakaoPay 测试付款页面", "wallet.svg")
	})
}

func TestAssets(t *testing.T) {
	t.Parallel()
	h := newHandler(t, newDesk())
	page := get(h, "/pay/"+token).Body.String()
	links := regexp.MustCompile(`/pay/assets/[^"]+`).FindAllString(page, -1)
	if len(links) < 2 {
		t.Fatalf("page names assets %q", links)
	}
	for _, link := range links {
		w := get(h, link)
		wantStatus(t, w, http.StatusOK)
		if got, want := w.Header().Get("Cache-Control"), "public, max-age=31536000, immutable"; got != want {
			t.Errorf("%s: Cache-Control %q, want %q", link, got, want)
		}
		r := httptest.NewRequest("GET", link, nil)
		r.Header.Set("If-None-Match", w.Header().Get("ETag"))
		wantStatus(t, do(h, r), http.StatusNotModified)
	}
	for name, contentType := range map[string]string{"pay.css": "text/css; charset=utf-8", "chevron.svg": "image/svg+xml"} {
		w := get(h, "/pay/assets/"+name+"?v=other")
		wantStatus(t, w, http.StatusOK)
		if got := w.Header().Get("Content-Type"); got != contentType {
			t.Errorf("%s: Content-Type %q, want %q", name, got, contentType)
		}
		if got, want := w.Header().Get("Cache-Control"), "public, max-age=60"; got != want {
			t.Errorf("%s at another version: Cache-Control %q, want %q", name, got, want)
		}
	}
}
