// The page in a real Chromium: what a person does and sees.

package playground

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"parley/internal/chat"
)

const rich = "Here is the short version, and then the details.\n\n## What happens\n\n1. The message is **stored** before anyone is told.\n2. The owner of the scope takes it, *in order*.\n3. The answer grows; see `internal/stream`.\n\n```go\nfunc main() {\n\tfmt.Println(\"hello, parley\")\n}\n```\n\n| provider | models | per million |\n| --- | :---: | ---: |\n| corp | 3 | 2.50 |\n| lab | 12 | 0.00 |\n\n> Facts first, taste second.\n\nMore at https://example.org/docs and nowhere else. "

func TestPageShowsAnAnswerGrowing(t *testing.T) {
	s := newStage(t)
	s.answer, s.pace = rich, 120*time.Millisecond
	b := newBrowser(t, s)
	b.open("/")
	b.shot("start")
	b.do(keys("@hel"), b.wait(`document.querySelectorAll('main .option').length === 1`))
	b.shot("mention")
	b.do(keys(kb.Enter), b.wait(`document.querySelector('main textarea').value === '@helper '`),
		keys("what happens to a message?"), keys(kb.Enter),
		b.wait(`document.querySelector('.thread .growing .body h2')`))
	b.eval(`[announced = [], new MutationObserver(() => { const t = document.querySelector('#announce').textContent; if (t) announced.push(t); }).observe(document.querySelector('#announce'), {childList: true, subtree: true, characterData: true}), document.querySelector('.thread .by-bot .body > p').marked = true]`)
	seen := map[string]bool{}
	for b.eval(`document.querySelector('.thread .growing')`) {
		seen[b.text(".thread .by-bot .body")] = true
		if len(seen) == 15 {
			b.shot("growing")
		}
	}
	b.shot("done")
	if len(seen) < 4 {
		t.Errorf("the answer was seen in %d states, want at least 4", len(seen))
	}
	if got := b.text(".thread .by-bot .body"); !strings.Contains(got, "nowhere else.") || !strings.Contains(got, "hello, parley") {
		t.Errorf("the final text is not whole: %q", got)
	}
	if b.eval(`document.querySelector('.thread .stop')`) {
		t.Error("the Stop button is still there after the end")
	}
	if !b.eval(`document.querySelector('.thread .by-bot .body > p').marked`) {
		t.Error("a paragraph that did not change was replaced: a selection in it would be lost")
	}
	b.do(b.wait(`announced.some((t) => t.includes('nowhere else.'))`))
	if n := evaluate[int](b, "announced.length"); n > 3 {
		t.Errorf("a screen reader is interrupted %d times by one answer", n)
	}
	b.do(b.wait(`document.querySelector('main .replies-count')?.innerText === '1 reply'`))
	if !b.eval(`location.pathname.startsWith('/playground/c/general/t/')`) {
		t.Error("the open thread has no address of its own")
	}

	// A reply in the thread goes to the bot without a mention.
	s.answer = "And this is the second answer."
	b.do(chromedp.Focus[chromedp.CSS](".thread textarea"), keys("and then?"), keys(kb.Enter),
		b.wait(`document.querySelectorAll('.thread .by-bot').length === 2 && !document.querySelector('.thread .growing')`),
		b.wait(`document.querySelector('main .replies-count')?.innerText === '3 replies'`))
	if got := s.got(); len(got) != 2 || got[1].Place.Thread != got[0].Place.Thread || got[1].Text != "and then?" {
		t.Errorf("the inbox got %+v", got)
	}
	b.do(theme("dark"))
	b.shot("dark")
	b.do(keys(kb.Escape), b.wait(`document.querySelector('.thread').hidden && location.pathname === '/playground/c/general'`),
		b.wait(`document.activeElement.matches('main a[data-thread]')`), chromedp.NavigateBack(),
		b.wait(`!document.querySelector('.thread').hidden && document.querySelectorAll('.thread .by-bot').length === 2`))
}

func TestPageStopsAnAnswer(t *testing.T) {
	s := newStage(t)
	s.answer, s.pace = strings.Repeat("more and ", 4000), 20*time.Millisecond
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.do(keys("go on for ever"), keys(kb.Enter), b.wait(`document.querySelector('main .growing .stop')`))
	b.shot("growing")
	b.do(chromedp.Focus[chromedp.CSS]("main .stop"), keys(kb.Enter), b.wait(`document.querySelector('main .by-bot') && !document.querySelector('main .growing')`))
	if got := b.text("main .by-bot .body"); !strings.HasPrefix(got, "more and") || len(got) >= len(strings.TrimSpace(s.answer)) {
		t.Errorf("what stands is %d long: %.40q", len(got), got)
	}
	if did := s.did(); did[len(did)-1].Name != "stop" || did[len(did)-1].Args != "turn-1" {
		t.Errorf("the desk got %+v", did)
	}
	b.shot("stopped")
}

func TestPageCompletesByKeyboardAlone(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.open("/playground/c/random")
	value := func(want string) chromedp.Action[chromedp.Void] {
		return b.wait(fmt.Sprintf("document.querySelector('main textarea').value === %q", want))
	}
	options := func(n int) chromedp.Action[chromedp.Void] {
		return b.wait(fmt.Sprintf("!document.querySelector('main .options').hidden && document.querySelectorAll('main .option').length === %d", n))
	}
	active := func(label string) chromedp.Action[chromedp.Void] {
		return b.wait(fmt.Sprintf("(() => { const t = document.querySelector('main textarea'); return document.getElementById(t.getAttribute('aria-activedescendant'))?.querySelector('.option-label').textContent === %q; })()", label))
	}
	closed := b.wait(`document.querySelector('main .options').hidden`)

	b.do(keys("/"), options(len(chat.Words())), active("/model"), keys(kb.ArrowDown), active("/provider"), keys(kb.ArrowUp), keys(kb.ArrowUp), active("/help"))
	b.shot("commands")
	b.do(keys(kb.Escape), closed, value("/"), keys("mo"), options(1), keys(kb.Tab), value("/model "), options(3))
	b.shot("models")
	// Nothing is chosen yet: the arrow chooses, Enter takes it, Enter sends it.
	b.do(keys(kb.ArrowDown), keys(kb.ArrowDown), active("lab/qwen3-8b"), keys(kb.Enter), value("/model lab/qwen3-8b"), closed, keys(kb.Enter),
		b.wait(`document.querySelector('main .by-bot .body')?.innerText === 'This channel now uses lab/qwen3-8b.'`), value(""))
	// A whole command with its list open is sent as it stands.
	b.do(keys("/model "), options(3), keys(kb.Enter), b.wait(`document.querySelector('main .note .menu')`))
	b.shot("menu-closed")
	b.do(chromedp.Focus[chromedp.CSS]("main .note summary"), keys(kb.Enter), b.wait(`document.querySelector('main .note details').open`))
	b.shot("menu")
	b.do(keys(kb.Tab), keys(kb.Tab), keys(kb.Enter), b.wait(`document.querySelectorAll('main .by-bot:not(.note)').length === 2 && !document.querySelector('.note')`))
	// Two lines with Shift.
	b.do(chromedp.Focus[chromedp.CSS]("main textarea"), keys("one"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(kb.ModifierShift)), keys("two"), value("one\ntwo"))
	// From the top: the skip link leads to the box.
	b.open("/")
	b.do(chromedp.Evaluate[chromedp.Void](`document.body.tabIndex = -1, document.body.focus()`), keys(kb.Tab), b.wait(`document.activeElement.matches('.skip')`))
	b.shot("skip")
	order := []string{}
	for range 14 {
		order = append(order, evaluate[string](b, `(document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || document.activeElement.name || document.activeElement.tagName).trim().replace(/\s+/g, ' ')`))
		b.do(keys(kb.Tab))
	}
	for i, want := range []string{"Skip to the message box", "general", "random", "Helper", "Code Reviewer", "Providers", "Bots"} {
		at := slices.IndexFunc(order, func(s string) bool { return strings.Contains(s, want) })
		if at < i {
			t.Errorf("the focus order is %q: %q is at %d", order, want, at)
		}
	}
	if !slices.Contains(order, "Message #general") {
		t.Errorf("the box is not reached: %q", order)
	}
}

func TestPageAddsAProvider(t *testing.T) {
	s := newStage(t)
	s.found = []Server{{ID: "ollama", Name: "Ollama", Endpoint: "http://127.0.0.1:11434/v1/chat/completions", Models: []string{"qwen3:8b"}}}
	b := newBrowser(t, s)
	b.open("/playground/providers")
	b.shot("list")
	b.do(chromedp.Focus[chromedp.CSS](".bar .primary"), keys(kb.Enter), b.wait(`document.querySelector('dialog').open && document.activeElement.name === 'f-id'`))
	const key = "sk-typed-once"
	b.do(keys("Corp Gateway"), keys(kb.Tab), keys("Corp"), keys(kb.Tab), keys("llm.example.com"), keys(kb.Tab), keys(key), keys(kb.Tab), keys("gpt-4o"), keys(kb.Enter),
		b.wait(`document.querySelectorAll('dialog .wrong').length === 2 && document.activeElement.name === 'f-id'`))
	b.shot("errors")
	if got := b.text("dialog .error"); !strings.Contains(got, "Use lowercase letters") || !strings.Contains(got, "Give the full address") {
		t.Errorf("errors %q", got)
	}
	if b.eval(`document.querySelector('dialog').innerHTML.includes('sk-typed')`) || !b.eval(`document.querySelector('[name=f-apiKey]').type === 'password' && document.querySelector('[name=f-apiKey]').value === 'sk-typed-once'`) {
		t.Error("the key is shown, or has to be typed again")
	}
	b.do(theme("dark"))
	b.shot("errors-dark")
	b.do(theme("light"), chromedp.SetValue[chromedp.CSS]("[name=f-id]", "corp"), chromedp.SetValue[chromedp.CSS]("[name=f-endpoint]", "https://llm.example.com/v1/chat/completions"),
		chromedp.Focus[chromedp.CSS]("[name=f-models]"), keys(kb.Enter),
		b.wait(`!document.querySelector('dialog').open && document.querySelector('[data-provider=corp]') && document.querySelector('.note')`))
	if got := b.text(".note .body"); !strings.Contains(got, "first token after 38 ms") {
		t.Errorf("the diagnosis shown is %q", got)
	}
	b.shot("added")
	if got := s.given[len(s.given)-1]; got["apiKey"] != key {
		t.Errorf("the desk got %v", got)
	}
	b.do(chromedp.Click[chromedp.CSS]("[data-provider=corp] .button:not(.danger)"), b.wait(`document.querySelector('.note .body').innerText.includes('reachable')`))
	b.do(chromedp.Click[chromedp.CSS]("[data-provider=corp] .danger"), b.wait(`document.querySelector('dialog:modal .danger')`),
		b.wait(`document.getElementById(document.querySelector('dialog:modal').getAttribute('aria-labelledby'))?.textContent.startsWith('Remove corp?')`))
	b.shot("confirm")
	b.do(keys(kb.Escape), b.wait(`!document.querySelector('dialog:modal')`), chromedp.Click[chromedp.CSS]("[data-provider=corp] .danger"),
		chromedp.Click[chromedp.CSS]("dialog .danger", chromedp.NodeVisible), b.wait(`!document.querySelector('[data-provider=corp]')`))
	b.do(chromedp.Click[chromedp.CSS](".found .primary"), b.wait(`document.querySelector('[data-provider=ollama]')`))
	b.open("/playground/bots")
	b.shot("bots")
}

// On the smallest screens everything is there and nothing sticks out.
func TestPageOnASmallScreen(t *testing.T) {
	s := newStage(t)
	s.answer = rich + "\n\n" + strings.Repeat("averyveryverylongword", 12)
	b := newBrowser(t, s)
	b.do(chromedp.EmulateViewport(360, 720, chromedp.EmulateTouch))
	fits := func(where string) {
		t.Helper()
		b.shot(where)
		if wide := evaluate[string](b, `[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.table, pre, .sr, .skip')).map((e) => e.tagName + '.' + e.className).join(' ')`); wide != "" {
			t.Errorf("%s is too wide: %s", where, wide)
		}
	}
	b.open("/")
	fits("start")
	b.do(chromedp.Focus[chromedp.CSS]("main textarea"), keys("@helper hi"), keys(kb.Enter), b.wait(`document.querySelector('.thread .by-bot:not(.growing)')`))
	fits("thread")
	b.do(chromedp.Tap[chromedp.CSS](".thread .close"), b.wait(`document.querySelector('.thread').hidden`))
	fits("channel")
	b.do(chromedp.Tap[chromedp.CSS]("main .open-nav"), b.wait(`getComputedStyle(document.querySelector('.sidebar')).translate.startsWith('0')`))
	b.shot("sidebar")
	b.do(theme("dark"))
	b.shot("sidebar-dark")
	b.do(chromedp.Tap[chromedp.CSS](`.sidebar a[href="/playground/providers"]`), b.wait(`location.pathname === '/playground/providers' && document.documentElement.classList.contains('js')`))
	fits("providers")
	b.do(chromedp.Tap[chromedp.CSS](".bar .primary"), b.wait(`document.querySelector('dialog').open`))
	fits("form")
	b.open("/playground/bots")
	fits("bots")
}

// Whoever types on while a message is still on its way loses nothing: what
// comes next is a message of its own.
func TestTypingOnWhileAMessageIsOnItsWay(t *testing.T) {
	s := newStage(t)
	s.hold = make(chan struct{})
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.do(keys("first"), keys(kb.Enter), keys("second"), keys(kb.Enter))
	close(s.hold)
	b.do(b.wait(`document.querySelectorAll('main .post:not(.by-bot):not(.note)').length === 2 && document.querySelector('main textarea').value === ''`))
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.messages) != 2 || s.messages[0].Text != "first" || s.messages[1].Text != "second" {
		t.Errorf("sent: %+v", s.messages)
	}
}

// Every text can be read in both themes: 4.5:1 at least, as WCAG asks.
func TestPageHasContrast(t *testing.T) {
	s := newStage(t)
	s.answer = rich
	s.list = append(s.list, Provider{ID: "openai", Name: "OpenAI", Endpoint: "https://api.openai.com/v1/chat/completions", Source: "builtin", Hint: "Set OPENAI_API_KEY."})
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.do(keys("hi"), keys(kb.Enter), b.wait(`document.querySelector('main .by-bot:not(.growing)')`), keys("/model "), keys(kb.Enter), b.wait(`document.querySelector('.note')`))
	const measure = `(() => {
	const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return c.startsWith('color(srgb') ? [m[0]*255, m[1]*255, m[2]*255, m[3] ?? 1] : [m[0], m[1], m[2], m[3] ?? 1]; };
	const lum = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; }); return .2126 * r + .7152 * g + .0722 * b; };
	const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3]));
	const back = (e) => { let layers = []; for (; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor)); return layers.reverse().reduce((under, l) => over(l, under), [255, 255, 255]); };
	const bad = [];
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true}) || e.closest('.sr, .skip, .avatar, svg')) continue;
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
		const under = back(e), text = over(parse(getComputedStyle(e).color), under);
		const [hi, lo] = [lum(text), lum(under)].sort((a, b) => b - a);
		const ratio = (hi + .05) / (lo + .05);
		if (ratio < 4.5) bad.push(e.tagName + '.' + e.className + ' ' + ratio.toFixed(2) + ' ' + e.textContent.trim().slice(0, 30));
	}
	return bad.join('; ');
})()`
	for _, path := range []string{"", "/playground/providers", "/playground/bots", "/playground/providers?add"} {
		if path != "" {
			b.open(path)
		}
		for _, name := range []string{"light", "dark"} {
			b.do(theme(name), b.wait(fmt.Sprintf("matchMedia('(prefers-color-scheme: %s)').matches", name)))
			if bad := evaluate[string](b, measure); bad != "" {
				t.Errorf("%s %s: %s", path, name, bad)
			}
			b.shot(strings.Trim(strings.ReplaceAll(path, "/", "-"), "-?") + "-" + name)
		}
	}
	if evaluate[string](b, `getComputedStyle(document.body).backgroundColor`) == "rgb(255, 255, 255)" {
		t.Error("the dark page is white")
	}
}

// Whatever a model writes, nothing of it runs.
func TestPageRunsNothingThatIsWritten(t *testing.T) {
	s := newStage(t)
	s.answer = strings.Join(attacks, "\n\n")
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	b.eval(`[ran = 0, alert = () => { ran++; }]`)
	b.do(chromedp.SetValue[chromedp.CSS]("main textarea", `<img src=x onerror=alert(1)> <script>alert(1)</script>`), chromedp.Focus[chromedp.CSS]("main textarea"), keys(kb.Enter),
		b.wait(`document.querySelector('main .by-bot:not(.growing)')`))
	if b.eval(`ran > 0 || document.querySelector('.posts :is(script, img, iframe, style, form:not(.act), base)')`) {
		t.Error("something that was written became part of the page")
	}
	b.shot("attacks")
}

// Without script one can still read and write.
func TestPageWithoutScript(t *testing.T) {
	s := newStage(t)
	s.answer = rich
	b := newBrowser(t, s)
	b.do(scripts(false), chromedp.Navigate(s.server.URL+"/"))
	b.do(chromedp.SendKeys[chromedp.CSS]("main textarea", "@helper hi"), chromedp.Click[chromedp.CSS]("main .send"), b.wait(`location.pathname.includes('/t/')`))
	s.until("the answer is written", func() bool {
		ids, _, _ := s.board.List(t.Context(), "C-general/"+string(s.got()[0].ID), noTime, 9)
		return len(ids) == 1 && s.posts("C-general/" + string(s.got()[0].ID))[0].Final
	})
	b.do(chromedp.Reload(), b.wait(`document.querySelector('.thread .by-bot .table')`))
	b.shot("thread")
	if b.eval(`document.querySelector('.copy').checkVisibility()`) {
		t.Error("a copy button that does nothing is shown")
	}
	b.do(chromedp.SendKeys[chromedp.CSS](".thread textarea", "/model"), chromedp.Click[chromedp.CSS](".thread .send"), b.wait(`document.querySelector('.thread .note .menu')`))
	b.shot("command")
	b.do(chromedp.Navigate(s.server.URL+"/playground/providers?add"), b.wait(`document.querySelector('[name=f-endpoint]').checkVisibility()`))
	b.shot("form")
}

// A page whose connection broke shows, once it is back, what it missed.
func TestPageComesBackAfterALostConnection(t *testing.T) {
	s := newStage(t)
	s.answer, s.pace = strings.Repeat("word ", 60)+"end.", 100*time.Millisecond
	b := newBrowser(t, s)
	b.ignore = "ERR_"
	b.open("/playground/d/helper")
	b.do(keys("hi"), keys(kb.Enter), b.wait(`document.querySelector('main .growing')`))
	s.server.CloseClientConnections()
	b.do(b.wait(`document.querySelector('main .by-bot:not(.growing) .body')?.innerText.endsWith('end.')`))
	if b.eval(`document.querySelectorAll('main .by-bot').length !== 1`) {
		t.Error("the answer is there twice")
	}
}

// A second page of the same channel follows, and another channel is marked.
func TestPagesFollowEachOther(t *testing.T) {
	s := newStage(t)
	b := newBrowser(t, s)
	b.open("/playground/c/random")
	s.until("the page is known", func() bool {
		s.adapter.hub.mu.Lock()
		defer s.adapter.hub.mu.Unlock()
		return len(s.adapter.hub.viewers) == 1
	})
	s.script("/playground/post", "channel", "C-random", "text", "from elsewhere")
	b.do(b.wait(`document.querySelector('main .post .body')?.innerText === 'from elsewhere'`))
	s.script("/playground/post", "channel", "C-general", "text", "look here")
	b.do(b.wait(`!document.querySelector('[data-channel="C-general"] .nav-dot').hidden`))
	b.shot("unread")
	b.open("/playground/d/reviewer")
	b.do(b.wait(`!document.querySelector('[data-channel="C-general"] .nav-dot').hidden`))
	b.open("/")
	b.do(b.wait(`document.querySelector('[data-channel="C-general"] .nav-dot').hidden`))
}

func TestPageLogin(t *testing.T) {
	s := newStage(t)
	s.outside = true
	b := newBrowser(t, s)
	b.ignore = "401"
	b.do(chromedp.Navigate(s.server.URL+"/playground/bots"), b.wait(`document.activeElement.name === 'token'`), keys("guess"), keys(kb.Enter), b.wait(`document.querySelector('.error').innerText.includes('not the admin token')`))
	b.shot("refused")
	if b.eval(`performance.getEntriesByType('resource').some((r) => r.name.includes('/playground/events'))`) {
		t.Error("the login page asks for a feed that it may not have, and fails when that does not come")
	}
	b.do(theme("dark"))
	b.shot("refused-dark")
	b.do(chromedp.Focus[chromedp.CSS]("[name=token]"), keys(token), keys(kb.Enter), b.wait(`location.pathname === '/playground/bots' && document.querySelector('[data-bot=helper]')`))
	b.shot("in")
	b.do(chromedp.Click[chromedp.CSS](".nav-foot button"), b.wait(`location.pathname === '/playground/login'`), chromedp.Navigate(s.server.URL+"/"), b.wait(`location.pathname === '/playground/login'`))
}

// The address that the start prints opens the page once; by a link from another
// site, too, although the browser sends no cookie along such a redirect.
func TestPageOpensByAnAddressThatIsGoodOnce(t *testing.T) {
	s := newStage(t)
	s.outside = true
	b := newBrowser(t, s)
	b.ignore = "401"
	code, _, err := s.door.NewCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := s.server.URL + "/playground/open/" + code
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<!doctype html><title>mail</title><link rel="icon" href="data:,"><a id="l" href="`+strings.Replace(address, "127.0.0.1", "localhost", 1)+`">open</a>`)
	}))
	defer elsewhere.Close() // 127.0.0.1, and the page at localhost: another site
	b.do(chromedp.Navigate(elsewhere.URL), chromedp.Click[chromedp.CSS]("#l"), b.wait(`location.pathname === '/' && document.querySelector('[data-channel=C-general]')`))
	b.shot("opened")
	b.do(chromedp.Navigate(strings.Replace(address, "127.0.0.1", "localhost", 1)), b.wait(`location.pathname === '/' && document.querySelector('[data-channel=C-general]')`)) // still logged in
	b.do(chromedp.Navigate(address), b.wait(`document.querySelector('.error').innerText.includes('was good once')`))                                                          // 127.0.0.1 has no session
	b.shot("used")
}
