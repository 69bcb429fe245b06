package multisafepay

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/ducatpay/ducat/internal/golden"
	"github.com/ducatpay/ducat/internal/payment"
)

// known are the statuses that exist (reference §9.1): clients fail on others.
var known = map[string]bool{
	"initialized": true, "declined": true, "cancelled": true, "completed": true, "expired": true, "uncleared": true, "refunded": true,
	"partial_refunded": true, "reserved": true, "void": true, "chargedback": true, "shipped": true,
}

// TestStatuses enumerates everything the statuses depend on.
func TestStatuses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	fmt.Fprintln(&b, "# state reason | flags | status financial_status; see reference §9.2")
	row := func(f facts, words string) {
		status, financial := project(f)
		if !known[status] || !known[financial] {
			t.Errorf("%+v: %s, %s", f, status, financial)
		}
		state := "no transaction"
		if f.state != 0 {
			state = f.state.String()
		}
		fmt.Fprintf(&b, "%-15s %-18s| %-40s| %s %s\n", state, f.reason, words, status, financial)
	}
	for s, name := range []string{"session open", "session cancelled", "session expired"} {
		row(facts{session: session(s)}, name)
	}
	flags := []struct {
		name string
		set  func(f *facts)
	}{
		{"authorized", func(f *facts) { f.authorized = true }},
		{"review", func(f *facts) { f.review = true }},
		{"later", func(f *facts) { f.later = true }},
		{"tentative", func(f *facts) { f.tentative = true }},
		{"plain-void", func(f *facts) { f.plainVoid = true }},
		{"shipped", func(f *facts) { f.shipped = true }},
		{"refunded-some", func(f *facts) { f.refunded = some }},
		{"refunded-all", func(f *facts) { f.refunded = all }},
		{"disputed", func(f *facts) { f.disputed = true }},
	}
	for _, state := range payment.States {
		reasons := []payment.Reason{""}
		if state == payment.Declined {
			reasons = []payment.Reason{payment.PayerDeclined, payment.PayerAborted, payment.InsufficientFunds, payment.ProcessingError, reasonTimedOut, reasonReview, "unheard_of"}
		}
		for _, reason := range reasons {
			seen := map[string]bool{}
			for mask := range 1 << len(flags) {
				f, words := facts{state: state, reason: reason}, ""
				for i, flag := range flags {
					if mask&(1<<i) != 0 {
						flag.set(&f)
						words += " " + flag.name
					}
				}
				// Of the combinations that give the same statuses, the golden table
				// shows the one with the fewest flags; all of them are computed.
				status, financial := project(f)
				if key := status + financial; !seen[key] {
					seen[key] = true
					row(f, words)
				}
				if f.session = sessionCancelled; fmt.Sprint(project(f)) != fmt.Sprint(status, financial) {
					t.Errorf("%+v: the session matters although there is a transaction", f)
				}
			}
		}
	}
	golden.Check(t, filepath.Join("testdata", "statuses.golden"), b.Bytes())
}

func TestTaken(t *testing.T) {
	t.Parallel()
	free := map[string]bool{"initialized": true, "declined": true, "cancelled": true, "expired": true, "void": true}
	for status := range known {
		if taken(status) == free[status] {
			t.Errorf("%s: taken is %v", status, taken(status))
		}
	}
}
