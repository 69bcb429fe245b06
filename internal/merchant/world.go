package merchant

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"time"

	"github.com/ducatpay/ducat/internal/money"
)

// AccountFor derives the account of a sandbox from what its keys have in
// common. The same input is the same account, on every node, without a lookup.
func AccountFor(pairing string) string {
	sum := sha256.Sum256([]byte("ducat sandbox account\x00" + pairing))
	text := new(big.Int).SetBytes(sum[:16]).Text(62)
	return "acct_1" + ("000000000000000" + text)[len(text):][:15]
}

// IDFor derives the storage id of an account's test or live half.
func IDFor(account string, live bool) int64 {
	mode := "test"
	if live {
		mode = "live"
	}
	sum := sha256.Sum256([]byte("ducat merchant\x00" + mode + "\x00" + account))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

// KeyHash is how a provisioned key is known.
func KeyHash(key string) []byte {
	sum := sha256.Sum256([]byte("ducat key\x00" + key))
	return sum[:]
}

// SettlementDays is how many days after its capture a fresh sandbox's money is
// available.
const SettlementDays = 7

// NewSandbox returns the merchant a test credential gets on first use: it can
// settle in every currency the guides list, so that each guide's snippet runs
// as printed.
func NewSandbox(account string, at time.Time) Merchant {
	return Merchant{
		ID: IDFor(account, false), Account: account, Created: at,
		Profile: Profile{
			Name: "Ducat sandbox", Country: "US", DefaultCurrency: "USD", Descriptor: "DUCAT SANDBOX",
			ExtraCurrencies: []money.Currency{"AUD", "CAD", "EUR", "GBP", "HKD", "JPY", "NZD", "SGD"},
			FeeBasisPoints:  290, FeeFixedMinor: 30, SettlementDays: SettlementDays,
		},
	}
}
