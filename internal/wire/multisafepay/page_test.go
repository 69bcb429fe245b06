package multisafepay

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/golden"
)

// TestPages renders each page with ordinary and with awkward data.
func TestPages(t *testing.T) {
	t.Parallel()
	alipay, _ := findGateway("ALIPAY")
	plain := screen{L: english, Title: english.PayTitle, Merchant: "Tea shop", Amount: "€10.00", Description: "Test order description", Methods: []gateway{alipay}, All: "?lang=en_US&methods=all"}
	awkward := screen{
		L: chinese, Title: `</title><script>alert(1)</script>`, Merchant: strings.Repeat("很长的名字", 20) + ` "><img src=x onerror=alert(1)>`, Amount: "¥1,099",
		Description: "שלום <b>world</b> & co", Lines: []string{"<i>tea</i>", "茶"}, Methods: gateways[:3], Choose: true, Scenarios: scenarios, Data: cardData, To: "https://shop.example/r?a=1&transactionid=x#y", Note: "<u>note</u>",
	}
	for name, s := range map[string]screen{"plain": plain, "awkward": awkward} {
		for _, page := range []string{"session.html", "wallet.html", "notice.html", "close.html"} {
			var b bytes.Buffer
			if err := templates.ExecuteTemplate(&b, page, s); err != nil {
				t.Fatal(err)
			}
			if out := b.String(); strings.Contains(out, "<script>") || strings.Contains(out, "<img") || strings.Contains(out, "<b>") || strings.Contains(out, "<i>") || strings.Contains(out, "<u>") {
				t.Errorf("%s %s does not escape: %s", name, page, out)
			}
			golden.Check(t, filepath.Join("testdata", strings.TrimSuffix(page, ".html")+"."+name+".golden.html"), b.Bytes())
		}
	}
}

// TestEveryLanguage: every locale has a language, and no language lacks a text.
func TestEveryLanguage(t *testing.T) {
	t.Parallel()
	for locale := range locales {
		if languages[languageOf(locale)] == nil {
			t.Errorf("no language for %s", locale)
		}
	}
	seen := map[*words]bool{}
	for name, l := range languages {
		v := reflect.ValueOf(*l)
		for i := range v.NumField() {
			if f := v.Type().Field(i).Name; v.Field(i).String() == "" && f != "Dir" {
				t.Errorf("%s has no %s", name, f)
			}
		}
		seen[l] = true
	}
	if len(seen) != 19 {
		t.Errorf("%d languages, want the 19 that are documented", len(seen))
	}
}
