// A real Chromium for the page tests.

package playground

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is one tab of a Chromium of its own.
type browser struct {
	t     *testing.T
	s     *stage
	ctx   context.Context
	shots string
	// ignore is part of browser messages that this test causes on purpose.
	ignore string
}

func newBrowser(t *testing.T, s *stage) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("the page tests need Chromium: install it (make test does on Debian and Ubuntu; apt-get install chromium), or put chromium, chromium-browser or google-chrome on the PATH")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Flag("user-data-dir", t.TempDir()), chromedp.WindowSize(1280, 900),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
	}
	// A browser that hangs must fail its test, not the whole run after ten minutes.
	bounded, cancelAll := context.WithTimeout(t.Context(), 5*time.Minute)
	alloc, cancelAlloc := chromedp.NewExecAllocator(bounded, options...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancel(); cancelAlloc(); cancelAll() })
	b := &browser{t: t, s: s, ctx: ctx, shots: os.Getenv("PARLEY_SCREENSHOTS")}
	if b.shots == "" {
		b.shots = t.TempDir()
	}
	// A script error or a refused resource is a defect of the page.
	err := chromedp.Listen(ctx, func(e any) {
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			t.Errorf("script error: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
		case *log.EventEntryAdded:
			// 422 and 503 are how the server says what is wrong with a form.
			expected := strings.Contains(e.Entry.Text, "422") || strings.Contains(e.Entry.Text, "503") || b.ignore != "" && strings.Contains(e.Entry.Text, b.ignore)
			if e.Entry.Level == log.EntryLevelError && !expected {
				t.Errorf("browser: %s %s", e.Entry.Text, e.Entry.URL)
			}
		}
	})
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	if !s.outside {
		b.enter()
	}
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.shot("failed")
		b.t.Fatal(err)
	}
}

// enter opens the page as a person does: by an address that is good once.
func (b *browser) enter() {
	b.t.Helper()
	code, _, err := b.s.door.NewCode(b.ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Navigate(b.s.server.URL+"/playground/open/"+code), b.wait(`location.pathname === '/'`))
}

func (b *browser) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.s.server.URL+path), b.wait(`document.documentElement.classList.contains('js')`))
}

// wait looks every few milliseconds until a JavaScript expression is true.
func (b *browser) wait(expression string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		for {
			is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
			if err == nil && is {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("a minute without %s (%w)", expression, err)
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector))
}

func (b *browser) eval(expression string) bool {
	b.t.Helper()
	return evaluate[bool](b, "Boolean("+expression+")")
}

func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// shot saves what the tab shows; PARLEY_SCREENSHOTS names a folder to look at.
func (b *browser) shot(name string) {
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Logf("no screenshot %s: %v", name, err)
		return
	}
	file := filepath.Join(b.shots, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png")
	if err := os.WriteFile(file, png, 0o600); err != nil {
		b.t.Log(err)
	}
}

// theme sets what the system prefers: "light" or "dark".
func theme(name string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
		})
		return err
	})
}

// scripts switches the page's own scripts on or off.
func scripts(on bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	})
}

func keys(s string) chromedp.Action[chromedp.Void] { return chromedp.KeyEvent(s) }
