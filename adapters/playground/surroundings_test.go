package playground

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"parley/internal/chat"
)

// The feed fails again and again, each time sooner than the sentence is due: it
// is shown all the same, and goes when the feed is back.
func TestALostConnectionIsSaid(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.ignore = "ERR_"
	b.open("/")
	b.do(b.wait(`document.querySelector('#lost').hidden`))
	b.eval(`(() => { window.real = EventSource; window.EventSource = class extends EventTarget {
		constructor() { super(); this.readyState = 0; this.timer = setInterval(() => this.onerror?.(), 400); this.addEventListener = () => {}; window.broken = this; }
		close() { clearInterval(this.timer); } };
		window.EventSource.CLOSED = 2;
		dispatchEvent(new Event('pagehide')); dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true})); return true; })()`)
	b.do(b.wait(`!document.querySelector('#lost').hidden`))
	b.shot("lost")
	b.eval(`(() => { broken.close(); broken.onopen(); return true; })()`)
	b.do(b.wait(`document.querySelector('#lost').hidden`))
}

// The same with the browser's own EventSource: the server goes away while the
// page is open, refuses every try, and comes back.
func TestALostServerIsSaid(t *testing.T) {
	s := newStage(t)
	target, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}, ErrorLog: log.New(io.Discard, "", 0)}
	var away atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler) // the connection ends without a word
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.server.URL = front.URL
	b := newBrowser(t, s)
	b.ignore = "ERR_"
	b.open("/playground/d/helper")
	b.do(b.wait(`document.querySelector('#lost').hidden`))
	away.Store(true)
	front.CloseClientConnections()
	b.do(b.wait(`!document.querySelector('#lost').hidden`))
	away.Store(false)
	b.do(b.wait(`document.querySelector('#lost').hidden`))
	s.answer = "Here again."
	b.do(chromedp.Focus[chromedp.CSS]("main textarea"), keys("hello?"), keys(kb.Enter), b.wait(`document.querySelector('main .by-bot .body')?.innerText.includes('Here again.')`))
}

// A paste that is too long is not cut and not sent: a sentence says how long it
// is, and it can be sent once it is shorter.
func TestALongPasteIsNotCut(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.open("/")
	paste := `(() => { const t = document.querySelector('main textarea'); t.focus(); document.execCommand('insertText', false, 'x'.repeat(%s)); return t.value.length; })()`
	if n := evaluate[int](b, strings.Replace(paste, "%s", "54000", 1)); n != 54000 {
		t.Fatalf("%d of 54000 characters are in the box", n)
	}
	b.do(b.wait(`document.querySelector('main [data-problem]').innerText.includes('54,000 characters')`), keys(kb.Enter))
	b.shot("too-long")
	if n := evaluate[int](b, `document.querySelector('main textarea').value.length`); n != 54000 || len(s.got()) != 0 {
		t.Errorf("%d characters are left in the box, %d messages were sent", n, len(s.got()))
	}
	b.do(chromedp.SetValue[chromedp.CSS]("main textarea", "@helper short"), chromedp.Focus[chromedp.CSS]("main textarea"), keys(" "),
		b.wait(`document.querySelector('main [data-problem]').hidden`), keys(kb.Enter),
		b.wait(`document.querySelector('main textarea').value === ''`))
}

// No field cuts what is pasted into it: what is too long is said beside its
// field, and what was typed stays.
func TestNoFieldCutsAPaste(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.open("/playground/providers?add")
	const long = 5000
	for _, field := range []string{"name", "apiKey", "models"} {
		got := evaluate[int](b, fmt.Sprintf(`(() => { const f = document.querySelector('[name=f-%s]'); f.focus(); document.execCommand('insertText', false, 'x'.repeat(%d)); return f.value.length; })()`, field, long))
		if got != long {
			t.Errorf("%d of %d characters are in %s", got, long, field)
		}
	}
	b.do(chromedp.SetValue[chromedp.CSS]("[name=f-id]", "corp"), chromedp.SetValue[chromedp.CSS]("[name=f-endpoint]", "https://llm.example.com/v1/chat/completions"),
		chromedp.Focus[chromedp.CSS]("[name=f-name]"), keys(kb.Enter), b.wait(`document.querySelector('dialog .wrong')`))
	b.shot("too-long")
	if got := b.text("dialog .wrong .error"); got != "must be at most 100 characters" {
		t.Errorf("the fields say %q", got)
	}
	for _, field := range []string{"name", "apiKey", "models"} {
		if got := evaluate[int](b, `document.querySelector('[name=f-`+field+`]').value.length`); got != long {
			t.Errorf("%d of %d characters are left in %s", got, long, field)
		}
	}
}

// What another tab switches, and a model server that is found later, reach an
// open page.
func TestAnOpenPageHearsOfModelsAndProviders(t *testing.T) {
	var s *stage
	model := "demo/demo"
	s = newStage(t, func(o *Options) {
		o.Using = func(_ context.Context, _ string, p chat.Place) (string, string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			provider, name, _ := strings.Cut(model, "/")
			if p.Channel == "" {
				return "demo", "demo"
			}
			return provider, name
		}
	})
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.do(b.wait(`document.querySelector('main [data-using]').innerText === 'demo/demo'`), b.wait(`document.querySelector('.hint-demo')`))
	s.mu.Lock()
	model = "corp/gpt-4o"
	s.found = []Server{{ID: "ollama", Name: "Ollama", Endpoint: "http://127.0.0.1:11434/v1/chat/completions"}}
	s.mu.Unlock()
	b.do(b.wait(`document.querySelector('main [data-using]').innerText === 'corp/gpt-4o'`), b.wait(`document.querySelector('.found')?.innerText.includes('Ollama')`))
	s.mu.Lock()
	s.found = nil
	s.list = append(s.list, Provider{ID: "corp", Usable: true, Silent: true})
	s.mu.Unlock()
	b.do(b.wait(`document.querySelector('.hint-demo')`)) // a record alone is no model
	s.mu.Lock()
	s.list = append(s.list[:1:1], Provider{ID: "corp", Usable: true})
	s.mu.Unlock()
	b.do(b.wait(`!document.querySelector('.hint-demo')`))
	// Where nothing was to be said, what there is to say now is said.
	b.do(keys("hi"), keys(kb.Enter), b.wait(`document.querySelector('main .by-bot')`))
	b.open("/playground/d/helper")
	b.do(b.wait(`!document.querySelector('.welcome')`))
	s.mu.Lock()
	s.found = []Server{{ID: "ollama", Name: "Ollama", Endpoint: "http://127.0.0.1:11434/v1/chat/completions"}}
	s.mu.Unlock()
	b.do(b.wait(`document.querySelector('.found')?.innerText.includes('Ollama')`))
	_, body := s.page("/playground/bots")
	wants(t, body, "<dt>Answers with</dt><dd><code>demo/demo</code>", "in its direct message here: <code>corp/gpt-4o</code>")
}

// A thread that was opened after its page hears of a model that another tab
// switches, and so does a page of bots; neither is loaded again.
func TestAThreadOpenedLaterHearsOfItsModel(t *testing.T) {
	var s *stage
	model := "demo"
	s = newStage(t, func(o *Options) {
		o.Using = func(context.Context, string, chat.Place) (string, string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return "demo", model
		}
	})
	turnTo := func(name string) { s.mu.Lock(); model = name; s.mu.Unlock() }
	b := newBrowser(t, s)
	b.open("/")
	b.do(keys("@helper hi"), keys(kb.Enter), b.wait(`document.querySelector('.thread [data-using]')?.innerText === 'demo/demo'`))
	b.eval(`[document.querySelector('.thread header').same = true]`)
	turnTo("demo-2")
	b.do(b.wait(`document.querySelector('.thread [data-using]').innerText === 'demo/demo-2'`))
	if !b.eval(`document.querySelector('.thread header').same`) {
		t.Error("the thread was opened again to say so")
	}
	b.open("/playground/bots")
	b.do(b.wait(`document.querySelector('[data-bot=helper] dd').innerText.startsWith('demo/demo-2')`))
	turnTo("demo-3")
	b.do(b.wait(`document.querySelector('[data-bot=helper] dd').innerText.startsWith('demo/demo-3')`))
}

// What is said of a provider holds: one at which nothing has answered is not
// ready, and the demo does not answer where another was chosen.
func TestASilentProviderIsSaidToBe(t *testing.T) {
	s := newStage(t, func(o *Options) {
		o.Using = func(_ context.Context, _ string, p chat.Place) (string, string) {
			if p.Channel == "D-helper" {
				return "corp", "gpt-4o"
			}
			return "demo", "demo"
		}
	})
	state := func() string {
		_, page := s.page("/playground/providers")
		_, card, _ := strings.Cut(page, `data-provider="corp"`)
		_, after, _ := strings.Cut(card, `<span class="state`)
		_, text, _ := strings.Cut(after, ">")
		text, _, _ = strings.Cut(text, "<")
		return text
	}
	s.list = append(s.list, Provider{ID: "corp", Name: "Corp", Source: "custom", Usable: true, Silent: true})
	if got := state(); got != "no answer yet" {
		t.Errorf("a provider that never answered is %q", got)
	}
	_, page := s.page("/playground/providers")
	wants(t, page, "Nothing has answered so far at the providers below but the built-in <code>demo</code>")
	_, page = s.page("/playground/d/helper")
	wants(t, page, "Nothing has answered at <code>corp</code> so far, which Helper uses here.")
	_, page = s.page("/playground/d/reviewer")
	wants(t, page, "Until then the built-in <code>demo</code> provider answers")
	s.list = append(s.list, Provider{ID: "lab", Usable: true})
	if got := state(); got != "ready" { // once one has answered, nobody asks the others
		t.Errorf("a provider that nobody asked is %q", got)
	}
}

// What changes between the page and the first word of its feed is heard of too.
func TestAPageMissesNothingBeforeItsFeed(t *testing.T) {
	s := newStage(t)
	_, before := s.page("/")
	s.mu.Lock()
	s.list = append(s.list, Provider{ID: "corp", Usable: true})
	s.mu.Unlock()
	for e := range s.feed("channel=C-general") {
		if e.kind != "surroundings" {
			continue
		}
		state, _ := e.data["state"].(string)
		_, after := s.page("/")
		if state == "" || strings.Contains(before, `data-around="`+state+`"`) || !strings.Contains(after, `data-around="`+state+`"`) {
			t.Errorf("the feed begins with %q, which the page before it should not carry and the one after it should", state)
		}
		return
	}
	t.Error("the feed says nothing of the surroundings")
}

func TestNoProxyMayHoldEventsBack(t *testing.T) {
	s := newStage(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/playground/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.authorize(r)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := answer.Header.Get("Cache-Control"); !strings.Contains(got, "no-transform") || answer.Header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("Cache-Control %q, X-Accel-Buffering %q", got, answer.Header.Get("X-Accel-Buffering"))
	}
}
