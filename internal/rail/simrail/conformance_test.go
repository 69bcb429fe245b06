package simrail_test

import (
	"testing"

	"github.com/ducatpay/ducat/internal/rail"
	"github.com/ducatpay/ducat/internal/rail/railtest"
	"github.com/ducatpay/ducat/internal/rail/simrail"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	instruct := func(do string) func(rail.Request, string) rail.Request {
		return func(r rail.Request, step string) rail.Request {
			r.Script = []rail.Rule{{On: step, Do: do}}
			return r
		}
	}
	railtest.Run(t, railtest.Harness{Rail: simrail.Rail{}, Refusing: instruct("decline"), Failing: instruct("error")})
}
