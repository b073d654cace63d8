// Text that runs from the right.

package playground

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const mixed = `This is English.

مرحبا بكم في البرنامج.

- واحد
- اثنان

> اقتباس

| الاسم | القيمة |
| --- | --- |
| واحد | 1 |

Run ` + "`go test`" + ` now.

` + "```\necho مرحبا\n```"

// edges is how far the words of what a selector names are from the left and the
// right of its box.
const edges = `(at) => {
	const e = document.querySelector('main .by-bot ' + at), box = e.getBoundingClientRect(), words = document.createRange();
	words.selectNodeContents(e);
	const r = words.getBoundingClientRect();
	return r.left - box.left < box.right - r.right ? 'left' : 'right';
}`

// Each paragraph, list and quote begins at the side its own words begin at;
// code begins at the left, whatever is in it.
func TestTextHasItsOwnDirection(t *testing.T) {
	s := newStage(t)
	s.answer = mixed
	b := newBrowser(t, s)
	b.open("/playground/d/helper")
	const arabic = "ما الجديد؟"
	b.do(chromedp.SetValue[chromedp.CSS]("main textarea", arabic), chromedp.Focus[chromedp.CSS]("main textarea"))
	if got := evaluate[string](b, `getComputedStyle(document.querySelector('main textarea')).direction`); got != "rtl" {
		t.Errorf("what is typed runs %s", got)
	}
	b.do(keys(kb.Enter), b.wait(`document.querySelector('main .by-bot:not(.growing) figure.code')`))
	b.shot("mixed")
	for at, want := range map[string]string{
		".body > p": "left", ".body > p + p": "right", "li": "right", "blockquote p": "right", ".body > .table + p": "left", "pre": "left",
	} {
		if got := evaluate[string](b, "("+edges+")('"+at+"')"); got != want {
			t.Errorf("%s begins at the %s, want the %s", at, got, want)
		}
	}
	for at, want := range map[string]string{"ul": "rtl", "blockquote": "rtl", ".table": "rtl", "pre": "ltr", "p code": "ltr"} {
		if got := evaluate[string](b, "getComputedStyle(document.querySelector('main .by-bot "+at+"')).direction"); got != want {
			t.Errorf("%s runs %s, want %s", at, got, want)
		}
	}
	if got := evaluate[string](b, `getComputedStyle(document.querySelector('main .post:not(.by-bot) .body')).direction`); got != "rtl" {
		t.Errorf("what was sent runs %s", got)
	}
	// A mention and code decide nothing for the words around them.
	s.answer = "`go` ثم @helper"
	b.do(chromedp.SetValue[chromedp.CSS]("main textarea", "@helper "+arabic), chromedp.Focus[chromedp.CSS]("main textarea"), keys(kb.Enter),
		b.wait(`document.querySelectorAll('main .by-bot:not(.growing)').length === 2`))
	if got := evaluate[string](b, `[...document.querySelectorAll('main .post .body')].slice(2).map((e) => getComputedStyle(e).direction).join()`); got != "rtl,rtl" {
		t.Errorf("a message that begins with a mention, and one that begins with code, run %s", got)
	}
}
