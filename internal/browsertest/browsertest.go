// Package browsertest starts a real browser for tests of pages: Chromium, without
// a window, as the distribution ships it.
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Deadline bounds a hung browser; no step waits for it when things work.
const Deadline = time.Minute

// New starts Chromium, with flags beside the usual ones. The host payer.test leads to this machine, so that tests
// can see pages over plain HTTP as on a host that is not local. Without Chromium
// the test is skipped, and in CI it fails.
func New(t testing.TB, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		const missing = "CHROMIUM IS MISSING: no page was seen by any browser (apt-get install -y chromium)"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(t.Context(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("accept-lang", "en"),
		chromedp.Flag("host-resolver-rules", "MAP payer.test 127.0.0.1"),
	}, flags...)...)
	t.Cleanup(stopAllocator)
	browser, stopBrowser := chromedp.NewContext(allocator)
	t.Cleanup(stopBrowser)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return browser
}

// Tab opens a tab that is closed with the test.
func Tab(t *testing.T, browser context.Context, opts ...chromedp.ContextOption) context.Context {
	t.Helper()
	tab, closeTab := chromedp.NewContext(browser, opts...)
	t.Cleanup(closeTab)
	tab, cancel := context.WithTimeout(tab, Deadline)
	t.Cleanup(cancel)
	return tab
}
