package stripe

import (
	"testing"
	"time"

	"github.com/ducatpay/ducat/internal/merchant"
)

func TestDisableAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live    bool
		setting string
		want    time.Duration
		limited bool
	}{
		{true, "", 9 * 24 * time.Hour, true},
		{true, "0", 0, false},
		{true, "2", 48 * time.Hour, true},
		{false, "", 0, false},
		{false, "1", 24 * time.Hour, true},
	} {
		m := merchant.Merchant{Live: c.live}
		if c.setting != "" {
			m.Profile.Settings = map[string]string{settingDisableDays: c.setting}
		}
		if got, limited := disableAfter(m); limited != c.limited || limited && got != c.want {
			t.Errorf("live %v, setting %q: %v, %v", c.live, c.setting, got, limited)
		}
	}
}
