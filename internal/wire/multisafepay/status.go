package multisafepay

import "github.com/ducatpay/ducat/internal/payment"

// session is what became of an order before its payer chose a method.
type session uint8

const (
	sessionOpen session = iota
	sessionCancelled
	sessionExpired
)

// part is how much of something went back.
type part uint8

const (
	none part = iota
	some
	all
)

// Reasons of attempts that this dialect gives to the simulator and that decide
// which words a refusal gets.
const (
	reasonTimedOut payment.Reason = "payer_timed_out" // the payer let the page expire
	reasonReview   payment.Reason = "review_rejected" // accepted for review, then turned down
)

// facts are all that the two statuses depend on.
type facts struct {
	session    session
	state      payment.State // of the current transaction; 0: the payer has not chosen a method
	reason     payment.Reason
	authorized bool // the transaction got as far as holding funds
	review     bool // the payer paid, somebody has to decide
	later      bool // the payer pays the provider later, after shipping
	tentative  bool // captured, but the provider has not settled it
	plainVoid  bool // a cancellation is void in both dimensions
	shipped    bool
	refunded   part
	disputed   bool // claimed back by the payer, and not won by the merchant
}

// project computes status and financial status: the whole of reference §9.2.
func project(f facts) (status, financial string) {
	switch f.state {
	case payment.Started, payment.AwaitingPayer:
		return "initialized", "initialized"
	case payment.Processing:
		if !f.review {
			return "initialized", "initialized"
		}
		return f.progress("uncleared"), "uncleared"
	case payment.Authorized:
		// Of what was captured in part, something can have gone back already.
		status = f.progress("completed")
		if f.refunded != none {
			status = "partial_refunded"
		}
		if f.later {
			return status, "uncleared"
		}
		return status, "initialized"
	case payment.Captured:
		return f.captured()
	case payment.Declined:
		return f.refused()
	case payment.Expired:
		if f.authorized {
			return "void", "void"
		}
		return "expired", "expired"
	case payment.Voided:
		return f.voided()
	}
	switch f.session {
	case sessionCancelled:
		return "cancelled", "cancelled"
	case sessionExpired:
		return "expired", "expired"
	case sessionOpen:
	}
	return "initialized", "initialized"
}

// progress is the order's status, which shipping moves on.
func (f facts) progress(status string) string {
	if f.shipped {
		return "shipped"
	}
	return status
}

func (f facts) captured() (status, financial string) {
	financial = "completed"
	if f.tentative {
		financial = "initialized"
	}
	switch {
	case f.disputed:
		return "chargedback", "void"
	case f.refunded == all:
		return "refunded", financial
	case f.refunded == some:
		return "partial_refunded", financial
	}
	return f.progress("completed"), financial
}

func (f facts) refused() (status, financial string) {
	switch f.reason {
	case payment.PayerAborted:
		return f.voided()
	case reasonReview:
		return "void", "void"
	case reasonTimedOut:
		return "expired", "expired"
	}
	return "declined", "declined"
}

func (f facts) voided() (status, financial string) {
	if f.plainVoid || f.authorized {
		return "void", "void"
	}
	return "void", "cancelled"
}

// taken reports whether a status means that money was taken or promised, so
// that the order id cannot be used again (reference §3.11).
func taken(status string) bool {
	switch status {
	case "completed", "uncleared", "reserved", "shipped", "refunded", "partial_refunded", "chargedback":
		return true
	}
	return false
}

// refundStatus is the status of a refund, the same in both dimensions
// (reference §6.2).
func refundStatus(r payment.Refund) string {
	switch r.State() {
	case payment.RefundSucceeded:
		return "completed"
	case payment.RefundFailed:
		if r.Reason == payment.RefundCanceled {
			return "void"
		}
		return "declined"
	}
	return "reserved"
}
