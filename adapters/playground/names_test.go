// What a page is to somebody who hears it.

package playground

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// unnamed lists what the open page has without a name, of the roles that need
// one.
func (b *browser) unnamed() (out []string) {
	b.t.Helper()
	roles := []string{"button", "link", "textbox", "checkbox", "combobox", "listbox", "dialog", "region", "navigation", "complementary"}
	seen := map[string]bool{}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
		if err != nil {
			return err
		}
		for _, n := range tree.Nodes {
			role, name := plainValue(n.Role), plainValue(n.Name)
			if seen[role] = true; !n.Ignored && name == "" && slices.Contains(roles, role) {
				out = append(out, role)
			}
		}
		return nil
	}))
	if !seen["button"] {
		b.t.Error("the page has no button: is the tree read right?")
	}
	return out
}

// plainValue is the text of a value of the tree.
func plainValue(v *accessibility.Value) (text string) {
	if v != nil {
		_ = json.Unmarshal(v.Value, &text)
	}
	return text
}

// Everything one can act on has a name, and so has every dialog and region.
func TestEverythingHasAName(t *testing.T) {
	s := newStage(t)
	s.answer = rich + "\n\n- [x] done\n- [ ] open\n"
	s.list = append(s.list, Provider{ID: "corp", Name: "Corp", Endpoint: "https://llm.example.com/v1/chat/completions", Source: "custom", Usable: true, KeySet: true})
	s.found = []Server{{ID: "ollama", Name: "Ollama", Endpoint: "http://127.0.0.1:11434/v1/chat/completions", Models: []string{"qwen3:8b"}}}
	b := newBrowser(t, s)
	look := func(where string) {
		t.Helper()
		for _, what := range b.unnamed() {
			t.Errorf("%s: no name: %s", where, what)
		}
		if n := evaluate[int](b, `document.querySelectorAll('h1').length`); n != 1 && where != "an answer" {
			t.Errorf("%s has %d first headings", where, n)
		}
	}
	b.open("/")
	look("the start")
	b.do(keys("@"), b.wait(`document.querySelector('main .option')`))
	look("the suggestions")
	b.do(keys("helper hi"), keys(kb.Enter), b.wait(`document.querySelector('.thread .by-bot:not(.growing)')`))
	look("an answer")
	b.open("/playground/d/helper")
	b.do(keys("/model "), keys(kb.Enter), b.wait(`document.querySelector('.note')`))
	look("a note")
	b.open("/playground/providers")
	look("the providers")
	b.do(chromedp.Click[chromedp.CSS](".bar .primary"), b.wait(`document.querySelector('dialog').open`))
	look("the form")
	b.do(keys(kb.Escape), chromedp.Click[chromedp.CSS]("[data-provider=corp] .danger"), b.wait(`document.querySelector('dialog:modal .danger')`))
	look("the question")
	b.open("/playground/bots")
	look("the bots")
	b.do(chromedp.Click[chromedp.CSS](".nav-foot button"), b.wait(`location.pathname === '/playground/login'`))
	look("the login")
}
