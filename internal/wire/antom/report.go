package antom

import "github.com/ducatpay/ducat/internal/engine"

// planClose plans the closing of the business day something happened on.
func (a *API) planClose(t *engine.Tx) error { return nil }
