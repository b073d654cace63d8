// What was typed is kept, whatever becomes of the request.

package playground

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A session that ended takes nothing with it: what was typed stays, the page
// says what to do, and goes on once the person is back.
func TestWhatIsTypedOutlivesASession(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.ignore = "401"
	b.open("/playground/d/helper")
	b.do(chromedp.Evaluate[chromedp.Void](`fetch('/playground/logout', {method: 'POST'}).then(() => { window.gone = true; }); undefined`), b.wait(`window.gone`),
		chromedp.Focus[chromedp.CSS]("main textarea"), keys("hello?"), keys(kb.Enter), b.wait(`!document.querySelector('main [data-problem]').hidden`))
	b.shot("logged-out")
	if got := evaluate[string](b, `document.querySelector('main textarea').value`); got != "hello?" {
		t.Errorf("in the box is %q", got)
	}
	if !b.eval(`document.querySelector('#out').checkVisibility()`) {
		t.Error("nothing leads to the login")
	}
	b.do(chromedp.Click[chromedp.CSS]("main [data-using]"), b.wait(`document.querySelector('.note.problem')?.innerText.includes('you are logged out')`))
	b.do(chromedp.Evaluate[chromedp.Void](`fetch('/playground/login', {method: 'POST', body: new URLSearchParams({token: '`+token+`'})}).then(() => { window.back = true; }); undefined`), b.wait(`window.back`),
		chromedp.Focus[chromedp.CSS]("main textarea"), keys(kb.Enter), b.wait(`document.querySelector('main .by-bot:not(.note)')`), b.wait(`!document.querySelector('#out').checkVisibility()`))
}

// A page whose feed ends with its session says so, and nothing else.
func TestAPageHearsThatItsSessionEnded(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.ignore = "Failed to load resource"
	b.open("/playground/bots")
	b.do(chromedp.Evaluate[chromedp.Void](`fetch('/playground/logout', {method: 'POST'}).then(() => { window.gone = true; }); undefined`), b.wait(`window.gone`))
	s.server.CloseClientConnections()
	b.do(b.wait(`document.querySelector('#out').checkVisibility()`))
	if b.eval(`document.querySelector('#lost').checkVisibility()`) {
		t.Error("the page says that its connection is lost")
	}
}

// What a button could not do is shown where it was pressed.
func TestAButtonThatFailsSaysSo(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.do(chromedp.Evaluate[chromedp.Void](`window.fetch = () => Promise.reject(new Error('the network is away')); undefined`), chromedp.Click[chromedp.CSS]("main [data-using]"),
		b.wait(`document.querySelector('.note.problem')?.checkVisibility() && document.querySelector('.note.problem').innerText.includes('the network is away')`))
	b.shot("problem")
}

// A switch that is made but cannot be posted is told to whoever made it, and
// not called undone.
func TestWhatIsDoneIsSaidWhereItCannotBePosted(t *testing.T) {
	s := newStage(t)
	s.board.mu.Lock()
	s.board.broken = context.DeadlineExceeded
	s.board.mu.Unlock()
	status, out := s.script("/playground/post", "channel", "D-helper", "text", "/model lab/qwen3-8b")
	if status != http.StatusOK || len(out.Notes) != 1 || out.Problem != "" {
		t.Fatalf("%d %+v", status, out)
	}
	wants(t, out.Notes[0], "now uses")
}

// A message that was corrected before it is sent again is another message.
func TestACorrectedMessageIsNotTakenForTheFirst(t *testing.T) {
	s := newStage(t)
	s.refuse = context.DeadlineExceeded
	send := func(text string) int {
		status, _ := s.script("/playground/post", "channel", "D-helper", "nonce", "n1", "text", text)
		return status
	}
	if got := send("what is 1+1"); got != http.StatusServiceUnavailable {
		t.Fatal(got)
	}
	s.mu.Lock()
	s.refuse = nil
	s.mu.Unlock()
	send("what is 1+2")
	send("what is 1+2") // the reply was lost: once is enough
	if got := s.got(); len(got) != 1 || got[0].Text != "what is 1+2" {
		t.Errorf("the inbox got %+v", got)
	}
}
