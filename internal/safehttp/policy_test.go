package safehttp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	cases := []struct {
		addr string
		want Reason // "" if public
	}{
		{"8.8.8.8", ""},
		{"1.1.1.1", ""},
		{"3.18.12.63", ""},
		{"9.255.255.255", ""},
		{"11.0.0.0", ""},
		{"100.63.255.255", ""},
		{"100.128.0.0", ""},
		{"126.255.255.255", ""},
		{"128.0.0.0", ""},
		{"169.253.255.255", ""},
		{"169.255.0.0", ""},
		{"172.15.255.255", ""},
		{"172.32.0.0", ""},
		{"192.0.1.0", ""},
		{"192.167.255.255", ""},
		{"192.169.0.0", ""},
		{"198.17.255.255", ""},
		{"198.20.0.0", ""},
		{"223.255.255.255", ""},

		{"0.0.0.0", Unspecified},
		{"0.0.0.1", Reserved},
		{"0.255.255.255", Reserved},
		{"10.0.0.0", Private},
		{"10.255.255.255", Private},
		{"100.64.0.0", SharedNAT},
		{"100.100.100.200", SharedNAT}, // Alibaba metadata
		{"100.127.255.255", SharedNAT},
		{"127.0.0.1", Loopback},
		{"127.255.255.255", Loopback},
		{"168.63.129.16", CloudService},
		{"169.254.0.0", LinkLocal},
		{"169.254.169.254", LinkLocal}, // metadata of most clouds
		{"169.254.255.255", LinkLocal},
		{"172.16.0.0", Private},
		{"172.31.255.255", Private},
		{"192.0.0.192", Reserved}, // Oracle metadata
		{"192.0.2.1", Documentation},
		{"192.88.99.1", Reserved},
		{"192.168.0.0", Private},
		{"192.168.255.255", Private},
		{"198.18.0.0", Benchmarking},
		{"198.19.255.255", Benchmarking},
		{"198.51.100.7", Documentation},
		{"203.0.113.7", Documentation},
		{"224.0.0.1", Multicast},
		{"239.255.255.255", Multicast},
		{"240.0.0.0", Reserved},
		{"255.255.255.255", Reserved},

		{"2606:4700:4700::1111", ""},
		{"2001:4860:4860::8888", ""},
		{"2001:200::1", ""},
		{"2a00:1450:4001::1", ""},
		{"3ffe::1", ""},

		{"::", Unspecified},
		{"::1", Loopback},
		{"::2", Embedded},
		{"::127.0.0.1", Embedded},
		{"::ffff:8.8.8.8", Embedded},
		{"::ffff:127.0.0.1", Embedded},
		{"::ffff:0:7f00:1", Embedded},
		{"64:ff9b::808:808", Embedded},
		{"64:ff9b::7f00:1", Embedded},
		{"64:ff9b:1::1", Embedded},
		{"2002:7f00:1::", Embedded},
		{"2002:808:808::1", Embedded},
		{"2001::1", Embedded},
		{"2a00:1450:4001::5efe:7f00:1", Embedded},
		{"2a00:1450:4001::200:5efe:7f00:1", Embedded},
		{"2001:2::1", Benchmarking},
		{"2001:10::1", Reserved},
		{"2001:20::1", Reserved},
		{"2001:db8::1", Documentation},
		{"3fff::1", Documentation},
		{"100::1", Reserved}, // discard
		{"5f00::1", Reserved},
		{"4000::1", Reserved},
		{"fc00::1", Private},
		{"fd00:ec2::254", Private}, // AWS metadata
		{"fe80::1", LinkLocal},
		{"fe80::1%eth0", LinkLocal},
		{"2606:4700::1%eth0", LinkLocal},
		{"fec0::1", Private},
		{"ff02::1", Multicast},
		{"ffff::1", Multicast},
	}
	for _, c := range cases {
		got, ok := classify(netip.MustParseAddr(c.addr))
		if got != c.want || ok != (c.want == "") {
			t.Errorf("classify(%s) = %q, %v; want %q", c.addr, got, ok, c.want)
		}
	}
	if _, ok := classify(netip.Addr{}); ok {
		t.Errorf("classify of no address at all: public")
	}
}

// The standard library knows some of the classes; whatever it calls special
// must be special to us.
func TestClassifyAgreesWithNetip(t *testing.T) {
	t.Parallel()
	check := func(addr netip.Addr) {
		special := addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() ||
			addr.IsMulticast() || addr.IsUnspecified() || !addr.IsGlobalUnicast()
		if _, public := classify(addr); public && special {
			t.Errorf("classify(%s): public, and netip disagrees", addr)
		}
	}
	for hi := range 1 << 16 {
		a, b := byte(hi>>8), byte(hi)
		check(netip.AddrFrom4([4]byte{a, b, 1, 1}))
		check(netip.AddrFrom16([16]byte{0: a, 1: b, 15: 1}))
	}
}

func TestCheckURL(t *testing.T) {
	t.Parallel()
	var (
		live    = Policy{}
		plain   = Policy{AllowPlain: true}
		sandbox = Policy{AllowPrivate: true, AllowPlain: true}
	)
	cases := []struct {
		name   string
		policy Policy
		url    string
		want   Reason
	}{
		{"HTTPS", live, "https://shop.example/hook?key=1#top", ""},
		{"NoPath", live, "https://shop.example", ""},
		{"Port", live, "https://shop.example:8443/hook", ""},
		{"SchemeUpperCase", live, "HTTPS://shop.example/hook", ""},
		{"PublicAddress", live, "https://8.8.8.8/hook", ""},
		{"PublicAddress6", live, "https://[2606:4700:4700::1111]:443/hook", ""},
		{"PlainAllowed", plain, "http://shop.example/hook", ""},
		{"SandboxLocalhost", sandbox, "http://localhost:8080/hook", ""},
		{"SandboxAddress", sandbox, "http://127.0.0.1:8080/hook", ""},
		{"SandboxContainer", sandbox, "http://shop:3000/hook", ""},
		{"HostsThatOnlyLookLocal", live, "https://localhost.example/hook", ""},

		{"Plain", live, "http://shop.example/hook", Plain},
		{"NoScheme", live, "shop.example/hook", NoScheme},
		{"NoSchemeWithPort", sandbox, "localhost:8080/hook", NoScheme},
		{"NoSchemeURLInQuery", live, "shop.example/hook?next=https://x.example", NoScheme},
		{"Empty", live, "", NoScheme},
		{"Relative", live, "//shop.example/hook", NoScheme},
		{"Opaque", live, "https:shop.example?u=://", NoScheme},
		{"File", sandbox, "file:///etc/passwd", BadScheme},
		{"Gopher", sandbox, "gopher://shop.example/", BadScheme},
		{"NoHost", live, "https:///hook", NoHost},
		{"OnlyPort", live, "https://:443/hook", NoHost},
		{"User", live, "https://user@shop.example/", UserInfo},
		{"Password", sandbox, "http://user:pass@localhost/", UserInfo},
		{"EmptyUser", live, "https://@shop.example/", UserInfo},
		{"PortZero", live, "https://shop.example:0/", BadPort},
		{"PortTooLarge", live, "https://shop.example:65536/", BadPort},
		{"PortEmpty", live, "https://shop.example:/", BadPort},
		{"PortNotANumber", live, "https://shop.example:http/", Malformed},
		{"Space", live, "https://shop example/", Malformed},
		{"Newline", live, "https://shop.example/\r\nX: y", Malformed},
		{"BadEscape", live, "https://shop.example/%zz", Malformed},
		{"TooLong", live, "https://shop.example/" + strings.Repeat("x", URLLenMax), TooLong},

		{"Localhost", live, "https://localhost/hook", Loopback},
		{"LocalhostDot", live, "https://LOCALHOST./hook", Loopback},
		{"LocalhostBelow", live, "https://a.localhost/hook", Loopback},
		{"LoopbackAddress", live, "https://127.0.0.1/hook", Loopback},
		{"LoopbackAddress6", live, "https://[::1]/hook", Loopback},
		{"Mapped", live, "https://[::ffff:127.0.0.1]/hook", Embedded},
		{"Zone", live, "https://[fe80::1%25eth0]/hook", LinkLocal},
		{"Metadata", plain, "http://169.254.169.254/latest/meta-data/", LinkLocal},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := CheckURL(c.policy, c.url)
			if c.want == "" {
				if err != nil {
					t.Errorf("CheckURL(%+v, %q) = %v, want nil", c.policy, c.url, err)
				}
				return
			}
			refused, ok := errors.AsType[*Refused](err)
			if !ok || refused.Reason != c.want {
				t.Errorf("CheckURL(%+v, %q) = %v, want refusal because %q", c.policy, c.url, err, c.want)
			}
		})
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://shop.example/hook", "http://[::1]:80/", "https://user@h/", "https://h:/", "https://[fe80::1%25e]/", "://",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckURL(Policy{}, raw) == nil && CheckURL(Policy{AllowPrivate: true, AllowPlain: true}, raw) != nil {
			t.Fatalf("%q passes the strict policy and not the loose one", raw)
		}
	})
}
