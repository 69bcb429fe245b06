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

// TestRetryTimetables: three more attempts within a few hours in test mode, up to
// three days in live mode, ever further apart (stripe-platform §9.4).
func TestRetryTimetables(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live             bool
		attempts         int
		shortest, within time.Duration
	}{
		{false, 3, 2 * time.Hour, 6 * time.Hour},
		{true, 10, 60 * time.Hour, 72 * time.Hour},
	} {
		var sum, last time.Duration
		n := 1
		for ; ; n++ {
			after, ok := (&API{}).RetryAfter(c.live, n)
			if !ok {
				break
			}
			if after < last {
				t.Errorf("live %v: retry %d comes after %v, the one before after %v", c.live, n, after, last)
			}
			sum, last = sum+after, after
		}
		if n-1 != c.attempts || sum < c.shortest || sum > c.within {
			t.Errorf("live %v: %d retries within %v", c.live, n-1, sum)
		}
	}
}
