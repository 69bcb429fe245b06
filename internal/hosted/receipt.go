package hosted

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Receipt is what a payer can look up after a payment. Its address can be
// passed on: it shows nothing that lets anyone act.
type Receipt struct {
	Livemode              bool
	MethodName, MethodKey string
	Merchant              string
	AmountText, Currency  string
	RefundedText          string // "" when nothing was refunded
	PaidAt                time.Time
	Number                string // the wallet's number of the payment
}

// Receipts is a Desk that also knows receipts.
type Receipts interface {
	// Receipt returns the receipt a token names, or ErrNotFound.
	Receipt(ctx context.Context, token string) (Receipt, error)
}

var receiptTemplate = parsePage("receipt.html")

type receiptPage struct {
	frame
	summary
	Paid, PaidISO, Method, Refunded, Number string
}

func (h *handler) receipt(w http.ResponseWriter, r *http.Request) {
	desk, ok := h.desk.(Receipts)
	if !ok {
		h.problem(w, r, problemNotFound, "")
		return
	}
	rc, err := desk.Receipt(r.Context(), r.PathValue("token"))
	switch {
	case errors.Is(err, ErrNotFound):
		h.problem(w, r, problemNotFound, "")
		return
	case err != nil:
		h.internal(w, r, err)
		return
	}
	l := choose(r)
	p := Page{Livemode: rc.Livemode, MethodName: rc.MethodName, MethodKey: rc.MethodKey, Merchant: rc.Merchant, AmountText: rc.AmountText, Currency: rc.Currency}
	at := rc.PaidAt.UTC()
	h.write(w, r, http.StatusOK, receiptTemplate, receiptPage{
		frame: newFrame(r, p, fmt.Sprintf(l.W.ReceiptTitle, rc.Merchant)), summary: newSummary(p),
		Paid: at.Format(l.when), PaidISO: at.Format(time.RFC3339), Method: l.method(rc.MethodKey, rc.MethodName), Refunded: rc.RefundedText, Number: rc.Number,
	})
}
