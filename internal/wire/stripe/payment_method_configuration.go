package stripe

import (
	"errors"
	"maps"
	"slices"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/resource"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

const kindConfiguration = "stripe.payment_method_configuration"

// settingConfigured says that an account has changed its default configuration.
// Until then there is no row to read, whose defaults turn everything on.
const settingConfigured = "stripe.default_configuration"

// configurationBody says which methods are on. The default one is there without
// having been made.
type configurationBody struct {
	Name        string            `json:"name"`
	Default     bool              `json:"default,omitempty"`
	Inactive    bool              `json:"inactive,omitempty"`
	Preferences map[string]string `json:"preferences,omitempty"` // by type: on, off; else none
}

// configurationTypes are the entries of a configuration: types of methods, and
// wallets and networks of cards.
var configurationTypes = append([]string{"apple_pay", "apple_pay_later", "cartes_bancaires", "fr_meal_voucher_conecs", "google_pay", "jcb"}, methodTypes...)

// value is whether a type is on. Without a preference, what this server offers
// is.
func (b configurationBody) value(typ string) bool {
	switch b.Preferences[typ] {
	case "on":
		return true
	case "off":
		return false
	}
	return slices.Contains(offered, typ)
}

// decode merges the parameters of a request.
func (b *configurationBody) decode(p form.Value) error {
	if s, set, err := text(p.Get("name"), "name", 100); err != nil {
		return err
	} else if set {
		b.Name = s
	}
	b.Preferences = maps.Clone(b.Preferences)
	for _, typ := range configurationTypes {
		h, set, err := hash(p.Get(typ), typ)
		if err != nil {
			return err
		}
		if !set {
			continue
		}
		if err := members(h, typ, "display_preference"); err != nil {
			return err
		}
		d, _, err := hash(h.Get("display_preference"), typ+"[display_preference]")
		if err != nil {
			return err
		}
		if err := members(d, typ+"[display_preference]", "preference"); err != nil {
			return err
		}
		s, set, err := oneOf(d.Get("preference"), typ+"[display_preference][preference]", "none", "off", "on")
		if err != nil {
			return err
		}
		if set {
			b.Preferences = cloneWith(b.Preferences, typ, s)
		}
	}
	return nil
}

// configuration finds a configuration; the default one is made up when it has
// not been changed.
func configuration(r store.Reader, account, id string) (resource.Row, configurationBody, error) {
	row, err := r.Resource(kindConfiguration, id)
	if errors.Is(err, store.ErrNotFound) && id == defaultConfiguration(account) {
		return resource.Row{Kind: kindConfiguration, ID: id, Sort: id}, configurationBody{Name: "Default", Default: true}, nil
	}
	if err != nil {
		return row, configurationBody{}, err
	}
	b, err := decodeBody[configurationBody](row)
	return row, b, err
}

// write keeps a configuration. The default one has no row before its first change.
func (b configurationBody) write(t *engine.Tx, row resource.Row) error {
	if b.Default && t.Who.Profile.Settings[settingConfigured] == "" {
		t.Who.Profile.Settings = cloneWith(t.Who.Profile.Settings, settingConfigured, "changed")
		if err := t.UpdateMerchant(t.Who); err != nil {
			return err
		}
	}
	row.Body = encodeBody(b)
	if row.Version > 0 {
		return t.UpdateResource(row)
	}
	row.Created = t.At
	return t.InsertResource(row)
}

// methodsOn are the types that a configuration turns on, "" standing for the
// account's default one.
func (v *view) methodsOn(id string) ([]string, error) {
	b := configurationBody{}
	if id == "" && v.merchant.Profile.Settings[settingConfigured] != "" {
		id = defaultConfiguration(v.merchant.Account)
	}
	if id != "" {
		var err error
		if _, b, err = configuration(v, v.merchant.Account, id); errors.Is(err, store.ErrNotFound) {
			return nil, noSuch(400, "payment_method_configuration", "payment_method_configuration", id)
		} else if err != nil {
			return nil, err
		}
	}
	on := make([]string, 0, len(offered))
	for _, typ := range offered {
		if b.value(typ) && !slices.Contains(v.merchant.Profile.MethodsOff, typ) {
			on = append(on, typ)
		}
	}
	return on, nil
}

func createConfiguration(c *call) (step, error) {
	if given(c.params.Get("parent")) {
		return step{}, invalid("", "parent", "The parameter parent is for platforms with connected accounts, which this server does not offer.")
	}
	b := configurationBody{Name: "Payment method configuration"}
	if err := b.decode(c.params); err != nil {
		return step{}, err
	}
	return step{
		begin: func(t *engine.Tx) error {
			t.Subject = t.NewID("pmc_")
			return t.InsertResource(newRow(t, kindConfiguration, t.Subject, "", encodeBody(b)))
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).configuration(t.Subject) },
	}, nil
}

func (c *call) noConfiguration(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return c.unknown(404, kindConfiguration, "payment_method_configuration", "configuration", id)
	}
	return err
}

func retrieveConfiguration(c *call) (obj, error) {
	return c.single(func(v *view) (obj, error) {
		o, err := v.configuration(c.path("id"))
		return o, c.noConfiguration(err, c.path("id"))
	})
}

func updateConfiguration(c *call) (step, error) {
	active, err := boolean(c.params.Get("active"), "active", true)
	if err != nil {
		return step{}, err
	}
	id := c.path("id")
	return step{
		begin: func(t *engine.Tx) error {
			row, b, err := configuration(t, t.Who.Account, id)
			if err != nil {
				return c.noConfiguration(err, id)
			}
			if err := b.decode(c.params); err != nil {
				return err
			}
			if c.params.Get("active").Kind() != form.Missing {
				if b.Default && !active {
					return invalid("", "active", "The default configuration cannot be deactivated.").kept()
				}
				b.Inactive = !active
			}
			return b.write(t, row)
		},
		finish: func(t *engine.Tx) (obj, error) { return c.in(t).configuration(id) },
	}, nil
}

// listConfigurations lists what was made, and the default one as the oldest.
func listConfigurations(c *call) (obj, error) {
	if given(c.params.Get("application")) {
		if _, _, err := text(c.params.Get("application"), "application", 0); err != nil {
			return nil, err
		}
	}
	active, err := boolean(c.params.Get("active"), "active", true)
	if err != nil {
		return nil, err
	}
	l, err := c.listing()
	if err != nil {
		return nil, err
	}
	path := c.request.URL.Path
	data, more := []any{}, false
	err = c.view(func(v *view) error {
		rows, err := v.Resources(store.List{Kind: kindConfiguration, Limit: configurationsMax})
		if err != nil {
			return err
		}
		own := defaultConfiguration(v.merchant.Account)
		var ids []string
		for _, row := range rows {
			if row.ID != own {
				ids = append(ids, row.ID)
			}
		}
		if ids, more, err = window(append(ids, own), "payment_method_configuration", l); err != nil {
			return err
		}
		for _, id := range ids {
			o, err := v.configuration(id)
			if err != nil {
				return err
			}
			if c.params.Get("active").Kind() == form.Missing || o["active"] == active {
				data = append(data, o)
			}
		}
		return nil
	})
	return obj{"object": "list", "data": data, "has_more": more, "url": path}, err
}

// configurationsMax is how many configurations are listed.
const configurationsMax = 1000

func (v *view) configuration(id string) (obj, error) {
	row, b, err := configuration(v, v.merchant.Account, id)
	if err != nil {
		return nil, err
	}
	o := obj{
		"id": row.ID, "object": "payment_method_configuration", "active": !b.Inactive, "application": nil, "is_default": b.Default,
		"livemode": v.merchant.Live, "name": b.Name, "parent": nil,
	}
	for _, typ := range configurationTypes {
		word := map[bool]string{true: "on", false: "off"}
		o[typ] = obj{
			"available":          b.value(typ) && slices.Contains(offered, typ) && !slices.Contains(v.merchant.Profile.MethodsOff, typ),
			"display_preference": obj{"overridable": nil, "preference": firstOf(b.Preferences[typ], word[b.value(typ)]), "value": word[b.value(typ)]},
		}
	}
	return o, nil
}
