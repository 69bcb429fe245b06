package antom

import (
	"net/http"
	"strings"
	"time"

	"github.com/ducatpay/ducat/internal/engine"
	"github.com/ducatpay/ducat/internal/fault"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/webhook"
)

// bearer is the client id a control request carries: Authorization: Bearer
// SANDBOX_….
func bearer(r *http.Request) string {
	scheme, id, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(id)
}

// Claims implements control.Front: sandbox client ids. A client id is no secret,
// which is enough for a sandbox and nothing else.
func (a *API) Claims(r *http.Request) bool { return sandboxID.MatchString(bearer(r)) }

// MerchantOf implements control.Front.
func (a *API) MerchantOf(r *http.Request) (int64, error) {
	account, ok := SandboxAccount(bearer(r))
	if !ok || !a.config.Sandbox {
		return 0, fault.New(fault.Invalid, "no_key", "This needs a sandbox client id: Authorization: Bearer SANDBOX_…")
	}
	id, err := a.worlds.Sandbox(r.Context(), account)
	if fault.CodeOf(err) == "not_a_sandbox" {
		return 0, fault.New(fault.Invalid, "bad_key", "This account has keys of its own; use its secret key.")
	}
	return id, err
}

// PaymentOf implements control.Front: payment ids on the wire are the core's.
func (a *API) PaymentOf(r store.Reader, id string) (string, error) {
	p, err := r.Payment(id)
	if err == nil && p.Front != Name {
		err = store.ErrNotFound
	}
	return p.ID, err
}

// ResendByID implements control.Front: the endpoint is the notification's own.
func (a *API) ResendByID(t *engine.Tx, eventID, _ string) error {
	ds, err := t.Deliveries(eventID, "", "", 1)
	if err != nil {
		return err
	}
	if len(ds) == 0 {
		return fault.Newf(fault.NotFound, "no_event", "There is no notification %q in this world.", eventID)
	}
	return t.Job("resend:"+t.NewID("rs_"), webhook.Job, t.At, webhook.Payload{Front: Name, Delivery: ds[0].ID, Manual: true})
}

// RollSecret implements control.Front.
func (a *API) RollSecret(*engine.Tx, string, time.Duration) (string, error) {
	return "", fault.New(fault.Invalid, "no_secret", "Notifications are signed with the installation's key; see GET /_ducat/v1/antom/keys.")
}

// CheckDispute implements control.Front: any words do.
func (a *API) CheckDispute(_ string, _ bool, reason string) error {
	if len(reason) > 256 {
		return fault.New(fault.Invalid, "bad_reason", "reason can have 256 characters.")
	}
	return nil
}

// DisputeID implements control.Front.
func (a *API) DisputeID(coreID string) string { return coreID }

// Forget implements control.Front.
func (a *API) Forget(merchantID int64) { a.clients.forget(merchantID) }
