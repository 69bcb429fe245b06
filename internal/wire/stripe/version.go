package stripe

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/store"
)

// defaultVersion renders for accounts that have not sent a version yet.
const defaultVersion = "2026-03-25.dahlia"

// settingVersion is where an account's default version is kept. An account is
// pinned by its server's first request that carries a version, as in real life.
const settingVersion = "stripe.api_version"

// versions lists every published version in order (stripe-platform §6.2).
var versions = strings.Fields(`
2011-01-01 2011-06-21 2011-06-28 2011-08-01 2011-09-15 2011-11-17 2012-02-23 2012-03-25 2012-06-18 2012-06-28 2012-07-09 2012-09-24 2012-10-26 2012-11-07 2013-02-11 2013-02-13 2013-07-05 2013-08-12 2013-08-13 2013-10-29 2013-12-03
2014-01-31 2014-03-13 2014-03-28 2014-05-19 2014-06-13 2014-06-17 2014-07-22 2014-07-26 2014-08-04 2014-08-20 2014-09-08 2014-10-07 2014-11-05 2014-11-20 2014-12-08 2014-12-17 2014-12-22 2015-01-11 2015-01-26 2015-02-10 2015-02-16
2015-02-18 2015-03-24 2015-04-07 2015-06-15 2015-07-07 2015-07-13 2015-07-28 2015-08-07 2015-08-19 2015-09-03 2015-09-08 2015-09-23 2015-10-01 2015-10-12 2015-10-16 2016-02-03 2016-02-19 2016-02-22 2016-02-23 2016-02-29 2016-03-07
2016-06-15 2016-07-06 2016-10-19 2017-01-27 2017-02-14 2017-04-06 2017-05-25 2017-06-05 2017-08-15 2017-12-14 2018-01-23 2018-02-05 2018-02-06 2018-02-28 2018-05-21 2018-07-27 2018-08-23 2018-09-06 2018-09-24 2018-10-31 2018-11-08
2019-02-11 2019-02-19 2019-03-14 2019-05-16 2019-08-14 2019-09-09 2019-10-08 2019-10-17 2019-11-05 2019-12-03 2020-03-02 2020-08-27 2022-08-01 2022-11-15 2023-08-16 2023-10-16 2024-04-10 2024-06-20
2024-09-30.acacia 2024-10-28.acacia 2024-11-20.acacia 2024-12-18.acacia 2025-01-27.acacia 2025-02-24.acacia 2025-03-01.dashboard 2025-03-31.basil 2025-04-30.basil 2025-05-28.basil 2025-06-30.basil 2025-07-30.basil 2025-08-27.basil
2025-09-30.clover 2025-10-29.clover 2025-11-17.clover 2025-12-15.clover 2026-01-28.clover 2026-02-25.clover 2026-03-25.dahlia 2026-04-22.dahlia 2026-05-27.dahlia 2026-06-24.dahlia 2026-07-29.dahlia 2026-08-26.dahlia
2026-09-30.endive 2026-10-28.endive`)

// Versions at which something about our objects changes.
const (
	versionStrict            = "2011-06-21" // unknown parameters are errors
	versionDispute           = "2012-11-07" // charge.dispute beside charge.disputed
	versionTransactionFees   = "2013-08-13" // fees are told by the balance transaction, not by the charge
	versionNoCount           = "2014-03-28" // lists lose count
	versionSecretTokens      = "2014-10-07" // a publishable key cannot retrieve tokens
	versionTransactionSource = "2015-08-19" // a refund's or dispute's balance transaction names it, not the charge
	versionKeyParameters     = "2015-09-03" // a key used with other parameters is an error
	versionAllFunding        = "2015-09-23" // the list of charges has more than cards
	versionDisputeID         = "2017-02-14" // charge.dispute is an id
	versionCheckedEmail      = "2018-07-27" // a customer's email is checked
	versionShortDescription  = "2018-10-31" // and the description limited
	versionQuotedIDs         = "2020-01-01" // ids are quoted in No such …
	versionNoDispute         = "2023-08-16" // charge.dispute and destination gone
	versionTooMany           = "2015-09-08" // a rate limit is 429, not 400
	versionForbidden         = "2016-10-19" // a missing permission is 403, not 401
	versionRequestHash       = "2017-05-25" // event.request is an object
	versionNoRefunds         = "2022-11-15" // charge.refunds only when expanded
	versionRefundEvents      = "2024-10-28" // refund.* events
	versionNoAvailableOn     = "2023-08-16" // balance transactions are no longer listed by available_on
	versionNoInvoice         = "2025-03-31" // charge.invoice gone
	versionDestination       = "2024-01-01" // refund.destination_details
	versionNoTotalCount      = "2022-11-15" // nested lists lose total_count
	versionSearch            = "2020-08-27" // search endpoints
	versionNoCustomerSources = "2020-08-27" // customer.sources only when expanded
	versionRecentMembers     = "2024-09-30" // allow_redisplay, tax_id, balance_type, …
	versionLatestCharge      = "2022-11-15" // payment_intent.charges gone
	versionAutomatic         = "2023-08-16" // automatic payment methods by default
	versionCardMandate       = "2026-09-30" // payment_method_details.card.mandate of a charge can be expanded
	versionRefundCustomer    = "2026-07-29" // refund.customer, customer_account, payment_method
	versionAsyncCapture      = "2024-04-10" // capture_method is automatic_async by default
)

func knownVersion(v string) bool {
	_, ok := slices.BinarySearch(versions, v)
	return ok
}

// betas are what mobile SDKs append to a version: "2020-08-27; alipay_beta=v1".
// What they once unlocked is there for everybody.
var betas = regexp.MustCompile(`^(; ?[a-z0-9_]+=[a-z0-9_]+)+$`)

// plainVersion is the version without betas.
func plainVersion(v string) string {
	if i := strings.IndexByte(v, ';'); i > 0 && betas.MatchString(v[i:]) {
		return v[:i]
	}
	return v
}

// since reports whether version v is from date on. Versions compare by date.
func since(v, date string) bool { return v[:10] >= date }

func accountVersion(m merchant.Merchant) string {
	if v, ok := m.Profile.Settings[settingVersion]; ok {
		return v
	}
	return defaultVersion
}

// settings returns what is remembered of the account's settings, looking them up
// now and then.
func (c *call) settings() (pin, error) {
	if known, ok := c.api.pin(c.principal.merchantID); ok {
		return known, nil
	}
	return c.readSettings()
}

func (c *call) readSettings() (known pin, err error) {
	id := c.principal.merchantID
	seen, changes := c.api.engine.Reading(), c.api.pinning()
	err = c.api.engine.View(c.ctx, id, func(_ store.Reader, m merchant.Merchant, _ time.Time) error {
		seen(m)
		known = pin{version: accountVersion(m), limit: limit(m.Profile.Settings)}
		_, known.fixed = m.Profile.Settings[settingVersion]
		return nil
	})
	if err == nil {
		c.api.setPin(id, known, changes)
	}
	return known, err
}

// toolAgent is in the User-Agent of the command line tool. It asks for webhook
// endpoints in a version of its own, years old, which is not what the merchant's
// program speaks, and must not become the account's.
const toolAgent = "stripe-cli/"

// resolveVersion finds the version a request is rendered in.
func (c *call) resolveVersion(known pin, asked string) (string, error) {
	if asked != "" && !knownVersion(asked) {
		return "", invalid("", "", "Invalid Stripe API version: %s", printable(asked))
	}
	if asked == "" {
		return known.version, nil
	}
	// What an app or a page was built with is not the account's.
	if !known.fixed && !c.principal.public && !strings.Contains(c.request.UserAgent(), toolAgent) {
		if err := c.pinTo(known, asked); err != nil {
			return "", err
		}
	}
	return asked, nil
}

// pinTo makes a version the account's, unless it has one.
func (c *call) pinTo(known pin, asked string) error {
	id, changes := c.principal.merchantID, c.api.pinning()
	err := c.api.engine.Update(c.ctx, id, engine.Cause{}, func(t *engine.Tx) error {
		known.limit = limit(t.Who.Profile.Settings)
		if v, ok := t.Who.Profile.Settings[settingVersion]; ok {
			known.version = v
			return nil
		}
		known.version = asked
		t.Who.Profile.Settings = cloneWith(t.Who.Profile.Settings, settingVersion, asked)
		return t.UpdateMerchant(t.Who)
	})
	if err == nil {
		known.fixed = true
		c.api.setPin(id, known, changes)
	}
	return err
}

func cloneWith(m map[string]string, k, v string) map[string]string {
	c := make(map[string]string, len(m)+1)
	for k, v := range m {
		c[k] = v
	}
	c[k] = v
	return c
}
