package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe"
)

type keysCmd struct {
	Create   keysCreateCmd   `cmd:"" help:"Create an account with a test and a live half and print its keys, once."`
	Restrict keysRestrictCmd `cmd:"" help:"Make a restricted key of an account that exists and print it, once."`
	Revoke   keysRevokeCmd   `cmd:"" help:"Make a key stop working at once."`
}

type keysCreateCmd struct {
	database `embed:""`
	Name     string `help:"Name of the account." required:""`
	Country  string `help:"Two-letter country." default:"US"`
	Currency string `help:"Default currency." default:"usd"`

	Permission []string `help:"Also make restricted keys that may do this, such as rak_charge_read. Can be repeated."`
}

type keysRestrictCmd struct {
	database   `embed:""`
	Account    string   `help:"The account, acct_…." required:""`
	Live       bool     `help:"A key of the live half."`
	Permission []string `help:"What the key may do, such as rak_charge_write. Can be repeated. All reading unless given."`
}

type keysRevokeCmd struct {
	database `embed:""`
	Key      string `arg:"" help:"The key that was printed."`
}

// Run makes a restricted key.
func (c *keysRestrictCmd) Run(ctx context.Context, out streams) error {
	permissions := c.Permission
	if len(permissions) == 0 {
		permissions = slices.DeleteFunc(stripe.Permissions(), func(p string) bool { return !strings.HasSuffix(p, "_read") })
	}
	if err := stripe.CheckPermissions(permissions); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	m := merchant.Merchant{ID: merchant.IDFor(c.Account, c.Live), Account: c.Account, Live: c.Live}
	if err := s.View(ctx, m.ID, func(r store.Reader) error { _, err := r.Merchant(); return err }); err != nil {
		return fmt.Errorf("--account %s is not in this database, or has no such half: %w", c.Account, err)
	}
	return putRestricted(ctx, s, m, permissions, out)
}

// putRestricted makes a restricted key and prints it.
func putRestricted(ctx context.Context, s store.Store, m merchant.Merchant, permissions []string, out streams) error {
	key := stripe.NewRestrictedKey(id.System(), m.Account, m.Live)
	if err := s.PutCredential(ctx, store.Credential{
		Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: "restricted", Permissions: permissions, Created: time.Now().UTC().Truncate(time.Millisecond),
	}); err != nil {
		return err
	}
	fmt.Fprintf(out.out, "  %-11s %s\n", "restricted", key)
	return nil
}

// Run revokes a key. Its requests are refused as those of an expired one.
func (c *keysRevokeCmd) Run(ctx context.Context, out streams) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	cred, err := s.Credential(ctx, merchant.KeyHash(c.Key))
	if errors.Is(err, store.ErrNotFound) {
		return errors.New("this key is not known here: keys of sandboxes that nobody made need no revoking")
	}
	if err != nil {
		return err
	}
	cred.Revoked = true
	if err := s.PutCredential(ctx, cred); err != nil {
		return err
	}
	fmt.Fprintln(out.out, "revoked")
	return nil
}

// Run provisions an account. Live mode creates nothing implicitly: this is how
// a live key comes to be.
func (c *keysCreateCmd) Run(ctx context.Context, out streams) error {
	cur, ok := money.ParseCurrency(c.Currency)
	if !ok {
		return fmt.Errorf("--currency %q is not an ISO 4217 currency", c.Currency)
	}
	if len(c.Country) != 2 {
		return fmt.Errorf("--country %q is not a two-letter country code", c.Country)
	}
	if err := stripe.CheckPermissions(c.Permission); err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	ids, at := id.System(), time.Now().UTC().Truncate(time.Millisecond)
	tail := "1" + ids.Random(15)
	fmt.Fprintf(out.out, "account %s (%s); the keys are shown this once\n", "acct_"+tail, c.Name)
	for _, live := range []bool{false, true} {
		m := merchant.Merchant{ID: merchant.IDFor("acct_"+tail, live), Account: "acct_" + tail, Live: live, Created: at, Profile: merchant.NewSandbox("", at).Profile}
		m.Profile.Name, m.Profile.Country, m.Profile.DefaultCurrency = c.Name, strings.ToUpper(c.Country), cur
		m.Profile.Provisioned = true
		m.Profile.ExtraCurrencies, m.Profile.Descriptor = nil, strings.ToUpper(c.Name)
		if err := s.CreateMerchant(ctx, m); err != nil {
			return err
		}
		mode := map[bool]string{false: "test", true: "live"}[live]
		for _, k := range []struct{ prefix, kind string }{{"sk", "secret"}, {"pk", "publishable"}} {
			key := k.prefix + "_" + mode + "_5" + tail + ids.Random(82)
			if err := s.PutCredential(ctx, store.Credential{Hash: merchant.KeyHash(key), Merchant: m.ID, Kind: k.kind, Created: at}); err != nil {
				return err
			}
			fmt.Fprintf(out.out, "  %-11s %s\n", k.kind, key)
		}
		if len(c.Permission) > 0 {
			if err := putRestricted(ctx, s, m, c.Permission, out); err != nil {
				return err
			}
		}
	}
	return nil
}
