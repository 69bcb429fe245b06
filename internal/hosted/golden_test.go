package hosted_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/browsertest"
	"github.com/ducatpay/ducat/internal/golden"
	"github.com/ducatpay/ducat/internal/hosted"
)

func awkwardPage() hosted.Page {
	const script = `"><script>alert('x')</script>`
	p := ordinaryPage()
	p.MethodName = `Pay & "Go" <b>` + script
	p.MethodKey = `alma" onload="x`
	p.Merchant = "متجر القاهرة الكبير " + script + strings.Repeat(" Gesellschaft für Zahlungsverkehr", 6)
	p.AmountText = "Rp 98.765.432.109.876"
	p.Currency = "IDR"
	p.ExpiresAt = opened.Add(72 * time.Hour)
	p.ReturnURL = `myapp:pay?x=1&y="'><script>`
	p.Details = []hosted.Detail{
		{Label: script, Value: script},
		{Label: "Owner", Value: "דוד כהן"},
		{Label: "Return URL", Value: "javascript:alert(1)"},
		{Label: "Description", Value: strings.Repeat("unbroken", 40)},
		{Label: "Metadata", Value: ""},
	}
	p.Scenarios = []hosted.Scenario{{Key: script, Label: script}}
	return p
}

func yenPage() hosted.Page {
	p := ordinaryPage()
	p.MethodName, p.MethodKey = "Alma", "alma"
	p.AmountText, p.Currency = "¥1,099", "JPY"
	p.ExpiresAt = time.Time{}
	p.Details, p.Scenarios = nil, nil
	return p
}

// challenge is the page of a card's bank.
func challenge(p hosted.Page) hosted.Page {
	p.Challenge = true
	if p.MethodKey == "alipay" {
		p.MethodName, p.MethodKey = "Card", "card"
	}
	return p
}

// homelessPage has nowhere to send the payer: the merchant's page waits around
// it.
func homelessPage() hosted.Page {
	p := ordinaryPage()
	p.ReturnURL = ""
	return p
}

// TestGolden renders every page with ordinary and awkward data.
func TestGolden(t *testing.T) {
	t.Parallel()
	with := func(p hosted.Page, s hosted.State) hosted.Page {
		p.State = s
		return p
	}
	live := ordinaryPage()
	live.Livemode = true
	chineseQuery := "?lang=zh"
	for name, c := range map[string]struct {
		page  hosted.Page
		query string
		post  string // the decision; empty means GET
	}{
		"form_ordinary":       {page: ordinaryPage()},
		"form_chinese":        {page: ordinaryPage(), query: chineseQuery},
		"form_awkward":        {page: awkwardPage()},
		"form_zero_decimal":   {page: yenPage()},
		"form_live":           {page: live},
		"challenge_ordinary":  {page: challenge(ordinaryPage())},
		"challenge_chinese":   {page: challenge(yenPage()), query: chineseQuery},
		"challenge_awkward":   {page: challenge(awkwardPage())},
		"challenge_done":      {page: challenge(homelessPage()), post: "authorize"},
		"authorized_ordinary": {page: ordinaryPage(), post: "authorize_no_return"},
		"authorized_awkward":  {page: awkwardPage(), post: "authorize_no_return"},
		"authorized_chinese":  {page: ordinaryPage(), post: "authorize_no_return", query: chineseQuery},
		"expired_ordinary":    {page: with(ordinaryPage(), hosted.Expired)},
		"expired_awkward":     {page: with(awkwardPage(), hosted.Expired)},
		"expired_chinese":     {page: with(yenPage(), hosted.Expired), query: chineseQuery},
		"leaving_ordinary":    {page: ordinaryPage(), post: "authorize"},
		"leaving_awkward":     {page: awkwardPage(), post: "authorize"},
		"leaving_chinese":     {page: with(ordinaryPage(), hosted.Done), query: chineseQuery},
		"problem_ordinary":    {page: ordinaryPage(), post: "approve"},
		"problem_awkward":     {page: ordinaryPage(), post: `"><script>alert('x')</script>`},
		"problem_chinese":     {page: ordinaryPage(), post: "approve", query: chineseQuery},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest("GET", "/pay/"+token+c.query, nil)
			if c.post != "" {
				r = newPost("decision", c.post)
				r.URL.RawQuery = strings.TrimPrefix(c.query, "?")
			}
			w := do(newHandler(t, &fakeDesk{token: token, page: c.page}), r)
			got := transcript(w)
			if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "ZgotmplZ") {
				t.Error("untrusted text was not escaped")
			}
			golden.Check(t, filepath.Join("testdata", name+".golden"), []byte(got))
		})
	}
}

var assetVersion = regexp.MustCompile(`\?v=[0-9a-f]{12}`)

// transcript is status, the headers that vary, and the page without the
// versions of assets, which change with every stroke of the pen.
func transcript(w *httptest.ResponseRecorder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s\n", w.Code, http.StatusText(w.Code))
	for _, header := range []string{"Content-Security-Policy", "Location"} {
		if v := w.Header().Get(header); v != "" {
			fmt.Fprintf(&b, "%s: %s\n", header, v)
		}
	}
	return b.String() + "\n" + assetVersion.ReplaceAllString(w.Body.String(), "?v=VERSION")
}

// TestContrast holds the colours that carry text to WCAG 2.2 AA.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/pay.css")
	if err != nil {
		t.Fatal(err)
	}
	lightText, darkText, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !ok {
		t.Fatal("no dark scheme")
	}
	light := colours(lightText, nil)
	dark := colours(darkText, light)
	for scheme, c := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, pair := range []struct {
			ink, ground string
			min         float64
		}{
			{"ink", "ground", 7}, {"ink", "card", 7}, {"muted", "ground", 4.5}, {"muted", "card", 4.5},
			{"ink", "hover", 7}, {"fail", "card", 4.5}, {"fail", "fail-wash", 4.5}, {"ribbon-ink", "ribbon", 7},
			{"edge", "card", 3},
		} {
			if got := browsertest.Contrast(t, c[pair.ink], c[pair.ground]); got < pair.min {
				t.Errorf("%s: %s on %s is %.2f, want at least %.1f", scheme, pair.ink, pair.ground, got, pair.min)
			}
		}
	}
	for _, brand := range regexp.MustCompile(`--brand(?:-deep)?: (#[0-9a-f]{6})`).FindAllStringSubmatch(string(css), -1) {
		if got := browsertest.Contrast(t, light["brand-ink"], brand[1]); got < 4.5 {
			t.Errorf("white on %s is %.2f, want at least 4.5", brand[1], got)
		}
	}
}

// colours returns the custom properties of the first :root in css over base.
func colours(css string, base map[string]string) map[string]string {
	found := map[string]string{}
	for k, v := range base {
		found[k] = v
	}
	root, _, _ := strings.Cut(css[strings.Index(css, ":root"):], "}")
	for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(root, -1) {
		found[m[1]] = m[2]
	}
	return found
}
