package antom

import (
	"errors"
	"strings"
	"testing"
)

// FuzzRequests decodes anything as every request there is: what is wrong is
// named, and nothing panics.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"paymentRequestId":"a","order":{"orderAmount":{"value":"1","currency":"PHP"}},"scopes":["AGREEMENT_PAY"]}`,
		`{"metadata":"{\"ducatScenario\":\"9905\"}","extendInfo":{"ducatScenario":1},"paymentExpiryTime":"2024-01-01T00:00:00Z"}`,
		`{"customs":{"customsCode":"zongshu"},"splitOrder":"TRUE","buyerCertificate":{"holderName":{}},"declarationAmount":{"value":1e3}}`,
		`{"authRedirectUrl":"javascript:1","env":{"terminalType":"APP"},"paymentAmount":{"currency":"PHP","value":"9999999999999999"}}`,
	} {
		f.Add([]byte(s))
	}
	a := New(nil, nil, Config{}, nil)
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, op := range a.operations {
			in, err := parse(body)
			if err == nil && op.write != nil {
				_, err = op.write(&call{api: a, client: &client{id: "SANDBOX_5Y00000000000000"}, name: name, in: in})
			}
			if err == nil {
				continue
			}
			r, ok := errors.AsType[*refusal](err)
			if !ok || statusOf[r.code] == "" {
				t.Fatalf("%s: %v is no refusal", name, err)
			}
			if out := string(bodyOf(object{{"result", r.result()}})); !strings.Contains(out, r.code) {
				t.Fatalf("%s: %s", name, out)
			}
		}
	})
}
