package stripe

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// permissionOf names resources whose permission is not called like them: refunds
// are part of charges, as in the real dashboard.
var permissionOf = map[string]string{
	"accounts": "account", "balance_transactions": "balance", "refunds": "charge", "webhook_endpoints": "webhook",
}

// permission is what a restricted key needs for an endpoint, "" if it needs
// nothing: rak_<resource>_read to look, rak_<resource>_write to change.
func (ep endpoint) permission() string {
	if ep.method == "" {
		return ""
	}
	parts := strings.Split(strings.TrimPrefix(ep.path, "/v1/"), "/")
	resource := parts[0]
	if resource == "test_helpers" && len(parts) > 1 {
		resource = parts[1]
	}
	name, ok := permissionOf[resource]
	if !ok {
		name = strings.TrimSuffix(resource, "s")
	}
	if ep.method == http.MethodGet {
		return "rak_" + name + "_read"
	}
	return "rak_" + name + "_write"
}

// Permissions lists what a restricted key can be allowed, in alphabetical order.
func Permissions() []string {
	var all []string
	for _, ep := range (&API{}).endpoints() {
		p := strings.TrimSuffix(strings.TrimSuffix(ep.permission(), "_read"), "_write")
		all = append(all, p+"_read", p+"_write")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// permitted refuses what a restricted key may not do. Who may write may read.
func (c *call) permitted(ep endpoint) error {
	if !c.principal.restricted {
		return nil
	}
	need := ep.permission()
	if need == "" || slices.Contains(c.principal.permissions, need) {
		return nil
	}
	if write := strings.TrimSuffix(need, "_read") + "_write"; slices.Contains(c.principal.permissions, write) {
		return nil
	}
	status := http.StatusForbidden
	if !since(c.version, versionForbidden) {
		status = http.StatusUnauthorized
	}
	return &wireError{status: status, code: "more_permissions_required", message: fmt.Sprintf(
		"The provided key '%s' does not have the required permissions for this endpoint on account '%s'. Having the '%s' permission would allow this request to continue.",
		maskTo(c.apiKey, 6), c.principal.account, need)}
}

// CheckPermissions refuses names that permit nothing.
func CheckPermissions(names []string) error {
	all := Permissions()
	for _, n := range names {
		if !slices.Contains(all, n) {
			return fault.Newf(fault.Invalid, "bad_permission", "There is no permission %q; there are %s.", n, strings.Join(all, ", "))
		}
	}
	return nil
}

// NewRestrictedKey makes a key of an account up.
func NewRestrictedKey(ids *id.Source, account string, live bool) string {
	mode := "test"
	if live {
		mode = "live"
	}
	return "rk_" + mode + "_5" + strings.TrimPrefix(account, "acct_") + ids.Random(82)
}

// RestrictedKey implements control.KeyMaker. A key that is named must be a
// restricted test key of the very world, so that nobody can take another world's.
func (a *API) RestrictedKey(ctx context.Context, merchantID int64, key string, permissions []string) (string, error) {
	if err := CheckPermissions(permissions); err != nil {
		return "", err
	}
	var m merchant.Merchant
	if err := a.engine.Store.View(ctx, merchantID, func(r store.Reader) (err error) {
		m, err = r.Merchant()
		return err
	}); err != nil {
		return "", err
	}
	if m.Live {
		return "", fault.New(fault.Invalid, "live_account", "Keys of a live account are made by ducat keys.")
	}
	if key == "" {
		key = NewRestrictedKey(a.engine.IDs, m.Account, m.Live)
	} else if p, err := a.authenticate(ctx, key); err != nil || p.merchantID != merchantID || p.live != m.Live || !strings.HasPrefix(key, "rk_test_") {
		return "", fault.New(fault.Invalid, "bad_key", "key must be a restricted test key (rk_test_…) of this world: one with the suffix of its secret key. Leave it out to get a fresh one.")
	}
	err := a.engine.Store.PutCredential(ctx, store.Credential{
		Hash: merchant.KeyHash(key), Merchant: merchantID, Kind: "restricted", Permissions: permissions, Created: a.engine.Clock.Now(),
	})
	return key, err
}
