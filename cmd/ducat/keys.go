package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/money"
	"github.com/ducatpay/ducat/internal/store"
)

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Create an account with a test and a live half and print its keys, once."`
}

type keysCreateCmd struct {
	database `embed:""`
	Name     string `help:"Name of the account." required:""`
	Country  string `help:"Two-letter country." default:"US"`
	Currency string `help:"Default currency." default:"usd"`
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
	}
	return nil
}
