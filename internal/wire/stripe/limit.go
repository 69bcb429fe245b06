package stripe

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// settingLimit is how many requests a second an account may make in one mode;
// none is set unless somebody wants to meet the refusal (stripe-platform §14).
const settingLimit = "stripe.rate_limit"

// limiter counts the requests of accounts that have a limit, per node: a bucket
// per account that holds one second's worth and fills continuously.
type limiter struct {
	mu      sync.Mutex
	buckets map[int64]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// limitersMax bounds the memory of buckets. One that is forgotten is full again.
const limitersMax = 1 << 16

// take reports whether an account may make one more request at a wall time.
func (l *limiter) take(id int64, perSecond float64, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[id]
	if !ok {
		if l.buckets == nil || len(l.buckets) >= limitersMax {
			l.buckets = map[int64]bucket{}
		}
		b = bucket{left: perSecond, at: at}
	}
	b.left = min(perSecond, b.left+at.Sub(b.at).Seconds()*perSecond)
	b.at = at
	ok = b.left >= 1
	if ok {
		b.left--
	}
	l.buckets[id] = b
	return ok
}

// limit reads an account's limit, 0 for none.
func limit(settings map[string]string) float64 {
	n, err := strconv.Atoi(settings[settingLimit])
	if err != nil || n < 1 {
		return 0
	}
	return float64(n)
}

// limited refuses a request beyond the account's limit. It runs before the
// idempotency layer and never uses up a key.
func (c *call) limited(known pin, asked string) error {
	if known.limit == 0 || c.api.limiter.take(c.principal.merchantID, known.limit, c.api.engine.Clock.Now()) {
		return nil
	}
	e := &wireError{status: http.StatusTooManyRequests, code: "rate_limit", reason: "global-rate", message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."}
	if !c.principal.live {
		e.message = "Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
	}
	if !knownVersion(asked) {
		asked = known.version
	}
	if !since(asked, versionTooMany) {
		e.status = http.StatusBadRequest
	}
	return e
}
