package merchant

import (
	"slices"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Interval is how often something happens by itself.
type Interval string

// The intervals. The zero value means never.
const (
	Manual  Interval = ""
	Daily   Interval = "daily"
	Weekly  Interval = "weekly"
	Monthly Interval = "monthly"
)

// PayoutSchedule says when what is available is paid out by itself: at the
// beginning of days, in UTC. The zero value pays out nothing.
type PayoutSchedule struct {
	Interval Interval       `json:"interval,omitempty"`
	Weekdays []time.Weekday `json:"weekdays,omitempty"` // Weekly: at least one
	Days     []int          `json:"days,omitempty"`     // Monthly: 1 to 31, at least one; a day that a month lacks is its last
	// Minimum is what stays behind, in minor units.
	Minimum map[money.Currency]int64 `json:"minimum,omitempty"`
}

// Next returns the first instant after at that the schedule names, or zero.
func (s PayoutSchedule) Next(at time.Time) time.Time {
	if s.Interval == Manual {
		return time.Time{}
	}
	// Every schedule names a day within two months.
	for day := at.UTC().Truncate(24 * time.Hour); ; {
		if day = day.AddDate(0, 0, 1); s.names(day) {
			return day
		}
	}
}

func (s PayoutSchedule) names(day time.Time) bool {
	switch s.Interval {
	case Daily:
		return true
	case Weekly:
		return slices.Contains(s.Weekdays, day.Weekday())
	case Monthly:
		return slices.ContainsFunc(s.Days, func(n int) bool {
			return n == day.Day() || n > day.Day() && day.AddDate(0, 0, 1).Day() == 1
		})
	case Manual:
	}
	return false
}

// Valid reports whether the schedule names a day, if it should.
func (s PayoutSchedule) Valid() bool {
	switch s.Interval {
	case Manual, Daily:
		return len(s.Weekdays) == 0 && len(s.Days) == 0
	case Weekly:
		return len(s.Weekdays) > 0 && len(s.Days) == 0
	case Monthly:
		return len(s.Weekdays) == 0 && len(s.Days) > 0 && !slices.ContainsFunc(s.Days, func(n int) bool { return n < 1 || n > 31 })
	}
	return false
}
