package stripe

import (
	"net"
	"strings"

	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// acceptance is how a payer agreed to later debits.
type acceptance struct {
	Offline   bool   `json:"offline,omitempty"`
	At        int64  `json:"at,omitempty"` // Unix seconds; zero for the moment of the confirmation
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
}

// decodeAcceptance reads mandate_data. What a browser leaves out is taken from
// its request.
func decodeAcceptance(c *call, v form.Value) (*acceptance, error) {
	const name = "mandate_data"
	if !given(v) {
		return nil, nil
	}
	h, _, err := hash(v, name)
	if err != nil {
		return nil, err
	}
	if err := members(h, name, "customer_acceptance"); err != nil {
		return nil, err
	}
	const inner = name + "[customer_acceptance]"
	a, set, err := hash(h.Get("customer_acceptance"), inner)
	if err != nil || !set {
		return nil, missingOr(err, inner)
	}
	if err := members(a, inner, "accepted_at", "offline", "online", "type", "infer_from_client"); err != nil {
		return nil, err
	}
	typ, set, err := oneOf(a.Get("type"), inner+"[type]", "offline", "online")
	if err != nil || !set {
		return nil, missingOr(err, inner+"[type]")
	}
	out := &acceptance{Offline: typ == "offline"}
	if out.At, _, err = integer(a.Get("accepted_at"), inner+"[accepted_at]"); err != nil {
		return nil, err
	}
	online, set, err := hash(a.Get("online"), inner+"[online]")
	if err != nil {
		return nil, err
	}
	if err := members(online, inner+"[online]", "ip_address", "user_agent", "infer_from_client"); err != nil {
		return nil, err
	}
	if typ == "online" && !set && !c.principal.public {
		return nil, missingParam(inner + "[online]")
	}
	for member, to := range fields(at("ip_address", &out.IP), at("user_agent", &out.UserAgent)) {
		s, given, err := text(online.Get(member), inner+"[online]["+member+"]", 0)
		switch {
		case err != nil:
			return nil, err
		case given:
			*to = s
		case typ == "online" && c.principal.public:
			*to = c.client(member)
		case typ == "online":
			return nil, missingParam(inner + "[online][" + member + "]")
		}
	}
	return out, nil
}

// client is what the request tells of the browser that sent it.
func (c *call) client(member string) string {
	if member == "user_agent" {
		return c.request.UserAgent()
	}
	host, _, err := net.SplitHostPort(c.request.RemoteAddr)
	if err != nil {
		return c.request.RemoteAddr
	}
	return host
}

// preview is the acceptance before there is a mandate.
func (a acceptance) preview() obj {
	if a.Offline {
		return obj{"type": "offline"}
	}
	return obj{"type": "online", "online": obj{"ip_address": nullable(a.IP), "user_agent": nullable(a.UserAgent)}}
}

// isSetup reports whether an id is a SetupIntent's.
func isSetup(id string) bool { return strings.HasPrefix(id, "seti_") }
