package browser

import (
	"fmt"
	"testing"

	"github.com/ducatpay/ducat/internal/servertest"
)

// BenchmarkReady mounts the Payment Element and waits for its ready event, and
// beside it an empty frame of the same origin: how much longer a customer waits
// for the form than for nothing.
func BenchmarkReady(b *testing.B) {
	url, _ := servertest.Fresh(b, "--log-level", "warn").Serve(b)
	browser := newBrowser(b)
	w := newWorld(b, url)
	_, address := w.serve(checkout{})
	page := newTab(b, browser)
	page.open(address)
	page.paymentElement()
	const once = `(async () => {
		const box = document.body.appendChild(document.createElement("div"));
		const start = performance.now();
		%s
		const took = performance.now() - start;
		box.remove();
		return took;
	})()`
	element := func() float64 {
		return eval[float64](page, fmt.Sprintf(once, `
			const e = stripe.elements({clientSecret: options.clientSecret}).create("payment", {layout: "accordion"});
			await new Promise(done => { e.on("ready", done); e.mount(box); });`))
	}
	frame := func() float64 {
		return eval[float64](page, fmt.Sprintf(once, `
			await new Promise(done => { const f = document.createElement("iframe"); f.onload = done; f.src = "`+url+`/healthz"; box.appendChild(f); });`))
	}
	element()
	frame()
	var with, without float64
	for b.Loop() {
		with += element()
		without += frame()
	}
	b.ReportMetric(with/float64(b.N), "ms/ready")
	b.ReportMetric(with/without, "x-empty-frame")
}
