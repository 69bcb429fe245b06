package safehttp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// URLLenMax is the length in bytes of a URL we call.
const URLLenMax = 2048

// Reason says why a destination was refused. The text is fit for the caller.
type Reason string

// The reasons that concern the URL.
const (
	Malformed Reason = "it cannot be parsed"
	TooLong   Reason = "it is too long"
	NoScheme  Reason = "an explicit scheme (such as https) must be provided"
	BadScheme Reason = "the scheme must be http or https"
	Plain     Reason = "the scheme must be https"
	NoHost    Reason = "a host must be provided"
	UserInfo  Reason = "it must not contain a user name or password"
	BadPort   Reason = "the port must be between 1 and 65535"
)

// The reasons that concern the address.
const (
	Unspecified   Reason = "the address is unspecified"
	Loopback      Reason = "the address is a loopback address"
	Private       Reason = "the address is in a private network"
	SharedNAT     Reason = "the address is in the shared space of carriers"
	LinkLocal     Reason = "the address is link-local"
	Multicast     Reason = "the address is a multicast address"
	Documentation Reason = "the address is for documentation"
	Benchmarking  Reason = "the address is for benchmarks"
	Embedded      Reason = "the address has an IPv4 address embedded"
	CloudService  Reason = "the address is an internal service of a cloud provider"
	Reserved      Reason = "the address is reserved"
)

// Refused says that the policy forbids a destination, and why.
type Refused struct {
	Host    string // as in the URL, if it got that far
	Address string // the address that was about to be called, if it got that far
	Reason  Reason
}

// Error names what was refused.
func (r *Refused) Error() string {
	switch {
	case r.Address != "" && r.Host != "":
		return fmt.Sprintf("refused to call %s at %s: %s", r.Host, r.Address, r.Reason)
	case r.Address != "" || r.Host != "":
		return fmt.Sprintf("refused to call %s%s: %s", r.Host, r.Address, r.Reason)
	}
	return fmt.Sprintf("refused to call the URL: %s", r.Reason)
}

// CheckURL says whether p lets raw be called, as far as can be told without
// asking DNS; an error is a *Refused. It is for the moment when an endpoint is
// created. A call checks again and also judges the address.
func CheckURL(p Policy, raw string) error {
	if refused := p.check(raw); refused != nil {
		return refused
	}
	return nil
}

func (p Policy) check(raw string) *Refused {
	if len(raw) > URLLenMax {
		return &Refused{Reason: TooLong}
	}
	// Before parsing, because localhost:8080/hook parses as the scheme localhost.
	if !strings.Contains(raw, "://") {
		return &Refused{Reason: NoScheme}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return &Refused{Reason: Malformed}
	}
	if reason, ok := p.checkParts(u); !ok {
		return &Refused{Host: u.Host, Reason: reason}
	}
	return nil
}

func (p Policy) checkParts(u *url.URL) (Reason, bool) {
	switch {
	case u.Scheme == "" || u.Opaque != "":
		return NoScheme, false
	case u.Scheme != "https" && u.Scheme != "http":
		return BadScheme, false
	case u.Scheme == "http" && !p.AllowPlain:
		return Plain, false
	case u.User != nil:
		return UserInfo, false
	case u.Hostname() == "":
		return NoHost, false
	case !portValid(u):
		return BadPort, false
	case p.AllowPrivate:
		return "", true
	}
	return checkHost(u.Hostname())
}

// portValid accepts no port and 1–65535. A colon with nothing behind it is
// legal in a URL, and a header could not be written for it unambiguously.
func portValid(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if u.Port() == "" {
		return true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return err == nil && port > 0
}

// checkHost refuses early what would be refused for certain at the call. Any
// other spelling of an address is a name to us and judged once resolved.
func checkHost(host string) (Reason, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return classify(addr)
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return Loopback, false
	}
	return "", true
}

// special is a block of addresses that are not hosts on the public internet.
type special struct {
	prefix netip.Prefix
	reason Reason
}

// specials4 follows the IANA IPv4 Special-Purpose Address Registry, leaving out
// the entries that are globally reachable (AS112, AMT).
var specials4 = []special{
	{netip.MustParsePrefix("0.0.0.0/32"), Unspecified},
	{netip.MustParsePrefix("0.0.0.0/8"), Reserved}, // "this network"; some systems route it to themselves
	{netip.MustParsePrefix("10.0.0.0/8"), Private},
	{netip.MustParsePrefix("100.64.0.0/10"), SharedNAT},
	{netip.MustParsePrefix("127.0.0.0/8"), Loopback},
	{netip.MustParsePrefix("168.63.129.16/32"), CloudService}, // Azure's host agent, reachable from every machine there
	{netip.MustParsePrefix("169.254.0.0/16"), LinkLocal},      // instance metadata lives here
	{netip.MustParsePrefix("172.16.0.0/12"), Private},
	{netip.MustParsePrefix("192.0.0.0/24"), Reserved},
	{netip.MustParsePrefix("192.0.2.0/24"), Documentation},
	{netip.MustParsePrefix("192.88.99.0/24"), Reserved}, // former 6to4 relays
	{netip.MustParsePrefix("192.168.0.0/16"), Private},
	{netip.MustParsePrefix("198.18.0.0/15"), Benchmarking},
	{netip.MustParsePrefix("198.51.100.0/24"), Documentation},
	{netip.MustParsePrefix("203.0.113.0/24"), Documentation},
	{netip.MustParsePrefix("224.0.0.0/4"), Multicast},
	{netip.MustParsePrefix("240.0.0.0/4"), Reserved}, // with limited broadcast
}

// specials6 names what is refused in IPv6. Everything outside global6 is
// refused anyway; the entries there only give a better reason.
var specials6 = []special{
	{netip.MustParsePrefix("::/128"), Unspecified},
	{netip.MustParsePrefix("::1/128"), Loopback},
	{netip.MustParsePrefix("::ffff:0:0/96"), Embedded},   // IPv4-mapped
	{netip.MustParsePrefix("::ffff:0:0:0/96"), Embedded}, // IPv4-translated
	{netip.MustParsePrefix("::/96"), Embedded},           // IPv4-compatible
	{netip.MustParsePrefix("64:ff9b::/96"), Embedded},    // NAT64
	{netip.MustParsePrefix("64:ff9b:1::/48"), Embedded},  // NAT64 with local prefixes
	{netip.MustParsePrefix("2002::/16"), Embedded},       // 6to4
	{netip.MustParsePrefix("2001::/32"), Embedded},       // Teredo
	{netip.MustParsePrefix("2001:2::/48"), Benchmarking},
	{netip.MustParsePrefix("2001::/23"), Reserved}, // protocol assignments
	{netip.MustParsePrefix("2001:db8::/32"), Documentation},
	{netip.MustParsePrefix("3fff::/20"), Documentation},
	{netip.MustParsePrefix("fc00::/7"), Private},
	{netip.MustParsePrefix("fe80::/10"), LinkLocal},
	{netip.MustParsePrefix("fec0::/10"), Private}, // former site-local
	{netip.MustParsePrefix("ff00::/8"), Multicast},
}

// global6 is the only part of IPv6 from which public addresses are given out.
var global6 = netip.MustParsePrefix("2000::/3")

// classify says whether addr is a host on the public internet, and if not, why.
//
// An address with an IPv4 address embedded is refused whatever that one is:
// which host it reaches is up to the translators on the way.
func classify(addr netip.Addr) (Reason, bool) {
	if !addr.IsValid() {
		return Reserved, false
	}
	if addr.Zone() != "" {
		return LinkLocal, false // a zone picks an interface, which no public host needs
	}
	specials := specials6
	if addr.Is4() {
		specials = specials4
	}
	for _, s := range specials {
		if s.prefix.Contains(addr) {
			return s.reason, false
		}
	}
	switch {
	case addr.Is6() && !global6.Contains(addr):
		return Reserved, false
	case addr.Is6() && isISATAP(addr):
		return Embedded, false
	}
	return "", true
}

// isISATAP reports whether addr tunnels to the IPv4 address in its last half.
// Its prefix can be any, so it has no place in a table of prefixes.
func isISATAP(addr netip.Addr) bool {
	b := addr.As16()
	return (b[8] == 0x00 || b[8] == 0x02) && b[9] == 0x00 && b[10] == 0x5e && b[11] == 0xfe
}
