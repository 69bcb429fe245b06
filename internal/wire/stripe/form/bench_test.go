package form_test

import (
	"testing"

	"github.com/ducatpay/ducat/internal/wire/stripe/form"
)

// BenchmarkParse reads the form of the guide's PaymentIntent.
func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := form.Parse("amount=5099&currency=eur&automatic_payment_methods%5Benabled%5D=true"); err != nil {
			b.Fatal(err)
		}
	}
}
