package search_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ducatpay/ducat/internal/wire/stripe/search"
)

var fields = search.Fields{
	"amount": search.Number, "created": search.Number, "currency": search.Token, "refunded": search.Token, "email": search.Text,
	"metadata": search.Token, "payment_method_details.*.last4": search.Token,
}

// object is what the queries are asked about.
func object(field, key string) any {
	if field == search.Metadata {
		return map[string]any{"order": "A-17", `it's "odd"`: "x", "empty\\": ""}[key]
	}
	return map[string]any{
		"amount": int64(1099), "created": int64(1789012923), "currency": "usd", "refunded": false, "email": "Zoë.Ann@example.com",
		"payment_method_details.card.last4": "4242",
	}[field]
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		`currency:"usd"`:                true,
		`currency:'USD'`:                true,
		`currency:"eur"`:                false,
		`-currency:"eur"`:               true,
		`-currency:"usd"`:               false,
		`amount:1099`:                   true,
		`amount:"1099"`:                 true,
		`amount>1099`:                   false,
		`amount>=1099`:                  true,
		`amount<1099`:                   false,
		`amount<=1099`:                  true,
		`-amount>1099`:                  true,
		`amount>-5`:                     true,
		`amount>1000 AND amount<1100`:   true,
		`amount>1000 amount>2000`:       false,
		`amount>2000 OR currency:"usd"`: true,
		`amount>2000 or currency:"eur"`: false,
		`amount>2000 OR currency:"eur" OR refunded:"false"`: true,
		`refunded:false`:                                    true,
		`refunded:true`:                                     false,
		`email~"ann@"`:                                      true,
		`email~"ZOË"`:                                       true,
		`email~"bob"`:                                       false,
		`-email~"bob"`:                                      true,
		`email:"zoë.ann@example.com"`:                       true,
		`email:"ann@example.com"`:                           false,
		`email:null`:                                        false,
		`-email:NULL`:                                       true,
		`email:"null"`:                                      false,
		`metadata["order"]:"a-17"`:                          true,
		`metadata['order']:'A-17'`:                          true,
		`metadata["order"]:"17"`:                            false,
		`metadata["other"]:null`:                            true,
		`-metadata["order"]:null`:                           true,
		`metadata["it's \"odd\""]:"x"`:                      true,
		`metadata["empty\\"]:""`:                            true,
		`metadata["other"]:"x"`:                             false,
		`-metadata["other"]:"x"`:                            true,
		`payment_method_details.card.last4:"4242"`:          true,
		`payment_method_details.card.last4:4242`:            true,
		`payment_method_details.alipay.last4:null`:          true,
		" \tcurrency:\"usd\"\n AND\tamount:1099 ":           true,
		`currency:"usd"amount:1099`:                         true,
		`amount:999999999999999999`:                         false,
		strings.Repeat(`amount>1 `, search.ClausesMax):      true,
		strings.Repeat(`amount>1 OR `, 9) + `amount<0`:      true,
		`email:"the \\ and the \" stay" OR currency:"\usd"`: true,
	} {
		q, err := search.Parse(query, fields)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		if got := q.Match(object); got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		``:                                      `A search query needs at least one clause, such as currency:"usd".`,
		`   `:                                   `A search query needs at least one clause, such as currency:"usd".`,
		`iban:"x"`:                              "Field `iban` is an unsupported search field.",
		`payment_method_details.*.last4:"1"`:    "Field `payment_method_details` is an unsupported search field.",
		`payment_method_details.card.brand:"1"`: "Field `payment_method_details.card.brand` is an unsupported search field.",
		`currency`:                              "The search query lacks an operator at: currency",
		`currency "usd"`:                        `The search query lacks an operator at: currency "usd"`,
		`currency=usd`:                          `The search query lacks an operator at: currency=usd`,
		`(currency:"usd")`:                      `The search query could not be read at: (currency:"usd")`,
		`currency:usd`:                          `Text in a search query is written in quotes, as in currency:"value".`,
		`currency:`:                             `Text in a search query is written in quotes, as in currency:"value".`,
		`currency:"usd`:                         `The search query has a quotation that does not end: "usd`,
		`currency:"usd\`:                        `The search query has a quotation that does not end: "usd\`,
		`currency~"usd"`:                        "Field `currency` cannot be searched by a part of its value; use currency:\"value\".",
		`currency>"usd"`:                        "Field `currency` is not a number and cannot be compared with >.",
		`email~"ab"`:                            "A part of a value is searched for with at least 3 characters.",
		`email~null`:                            "Only : can be used with null, as in email:null.",
		`amount:"ten"`:                          "Field `amount` is a number and cannot be compared with: ten",
		`amount~"109"`:                          "Field `amount` cannot be searched by a part of its value; use amount:\"value\".",
		`amount>10.5`:                           "Field `amount` is a number and cannot be compared with: 10.5",
		`amount>9999999999999999999`:            "Field `amount` is a number and cannot be compared with: 9999999999999999999",
		`metadata:"x"`:                          `Metadata is searched by key, as in metadata["key"]:"value"; no other field has a key.`,
		`email["x"]:"x"`:                        `Metadata is searched by key, as in metadata["key"]:"value"; no other field has a key.`,
		`metadata[order]:"x"`:                   `The key of metadata is written in quotes and brackets, as in metadata["key"]:"value".`,
		`metadata[""]:"x"`:                      `The key of metadata is written in quotes and brackets, as in metadata["key"]:"value".`,
		`metadata["order":"x"`:                  `The key of metadata is written in quotes and brackets, as in metadata["key"]:"value".`,
		`amount>1 AND amount>2 OR amount>3`:     "A search query cannot combine AND with OR.",
		`amount>1 amount>2 OR amount>3`:         "A search query cannot combine AND with OR.",
		`amount>1 AND`:                          "The search query could not be read at: ",
		`AND amount>1`:                          "Field `AND` is an unsupported search field.",
		`- amount>1`:                            "The search query could not be read at: - amount>1",
		strings.Repeat(`amount>1 `, search.ClausesMax+1): "A search query can have up to 10 clauses.",
		`amount:"` + strings.Repeat("ë", 200) + `"`:      "Field `amount` is a number and cannot be compared with: " + strings.Repeat("ë", 60) + "…",
	} {
		_, err := search.Parse(query, fields)
		e, ok := errors.AsType[*search.Error](err)
		if !ok || e.Message != want {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}

// TestBounds: what an index can be asked for must hold for every match.
func TestBounds(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		key, text string
		low, high int64
	}{
		`metadata["K"]:"V"`:                             {"K", "V", 0, 99},
		`-metadata["K"]:"V"`:                            {"", "", 0, 99},
		`metadata["K"]:null`:                            {"", "", 0, 99},
		`created>5 AND created<=20`:                     {"", "", 6, 20},
		`created>=5 created<20 metadata["K"]:"V"`:       {"K", "V", 5, 19},
		`created:7`:                                     {"", "", 7, 7},
		`-created:7`:                                    {"", "", 0, 99},
		`created>5 OR metadata["K"]:"V"`:                {"", "", 0, 99},
		`currency:"usd" AND email~"bob" AND amount:100`: {"", "", 0, 99},
	} {
		q, err := search.Parse(query, fields)
		if err != nil {
			t.Fatal(err)
		}
		key, text, ok := q.Equal(search.Metadata)
		low, high := q.Between("created", 0, 99)
		if key != want.key || text != want.text || ok != (want.key != "") || low != want.low || high != want.high {
			t.Errorf("%s: %q %q %v %d %d, want %+v", query, key, text, ok, low, high, want)
		}
	}
}

// FuzzParse: no query breaks the parser, errors can be shown, and what an index
// would be asked for holds whenever the query does.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`currency:"usd" AND amount>=1000`, `-metadata["a\"b"]:'c' OR email~"ann"`, `payment_method_details.card.last4:4242`, `created<1 created>0`,
		`amount:null`, `refunded:true`, `x[`, `metadata["`, "currency:\"\xff\"", `- : ~ AND OR`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		q, err := search.Parse(query, fields)
		if err != nil {
			e, ok := errors.AsType[*search.Error](err)
			if !ok || e.Message == "" || len(q.Clauses) != 0 || utf8.ValidString(query) && !utf8.ValidString(e.Message) {
				t.Fatalf("Parse(%q) = %+v, %v; want an *Error that can be shown and no query", query, q, err)
			}
			return
		}
		if n := len(q.Clauses); n == 0 || n > search.ClausesMax {
			t.Fatalf("Parse(%q) has %d clauses", query, n)
		}
		if !q.Match(object) {
			return
		}
		if low, high := q.Between("created", 0, 1<<60); low > 1789012923 || high < 1789012923 {
			t.Errorf("%q matches, but says that created is between %d and %d", query, low, high)
		}
		if key, text, ok := q.Equal(search.Metadata); ok && search.Fold(text) != search.Fold(object(search.Metadata, key).(string)) {
			t.Errorf("%q matches, but says that metadata %q is %q", query, key, text)
		}
	})
}
