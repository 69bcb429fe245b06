package antom

import (
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// Convert changes an amount at the price of a day.
func Convert(from, to money.Currency, minor int64) int64 {
	q, ok := quoteFor(from, to, time.Unix(1_800_000_000, 0))
	if !ok {
		panic("no quote")
	}
	return q.convert(money.Of(minor, from)).Minor
}
