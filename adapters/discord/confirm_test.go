package discord

import (
	"context"
	"testing"

	"parley/internal/chat"
	fake "parley/internal/fake/discord"
)

// A nonce that Discord knows returns the earlier message with its earlier text.
func TestAMessageWithAnotherTextIsNoticed(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	s.Fail(fake.Fault{Method: "POST", Path: "/messages", Cut: true})
	if _, err := r.Post(t.Context(), chat.Content{Markdown: "the first half", Key: "turn-0"}); err == nil {
		t.Fatal("the lost answer went unnoticed")
	}
	receipt, err := r.Post(t.Context(), chat.Content{Markdown: "the first half and the second", Key: "turn-0"})
	if err != nil || !receipt.Differs {
		t.Errorf("the earlier text passes for the new one: %+v %v", receipt, err)
	}
	for _, c := range []struct {
		call string
		do   func(context.Context, chat.MessageID, chat.Content) (chat.Receipt, error)
	}{
		{"POST", func(ctx context.Context, _ chat.MessageID, c chat.Content) (chat.Receipt, error) {
			return r.Post(ctx, c)
		}},
		{"PATCH", r.Edit},
	} {
		s.Fail(fake.Fault{Method: c.call, Path: "/messages", Halve: true})
		for n, want := range []bool{true, false} {
			receipt, err := c.do(t.Context(), receipt.ID, chat.Content{Markdown: "  one\n\ntwo \u200b <@!123456789> <:wave:123456789>  \n", Key: c.call + string(rune('0'+n))})
			if err != nil || receipt.Differs != want {
				t.Errorf("%s: differs is %v, want %v (%v)", c.call, receipt.Differs, want, err)
			}
		}
	}
	if got := s.Replies(string(m.ID)); len(got) == 0 {
		t.Error("people see nothing")
	}
	s.clean()
}

func TestWhatDiscordChangesByItselfIsNoDifference(t *testing.T) {
	for sent, got := range map[string]string{
		" a \n": "a", "a\r\nb": "a\nb", "a\x00b": "ab", "<@!12345> hi": "<@12345> hi", "<a:wave:12345>": ":wave:",
	} {
		if (shown{Content: &got}).differs(sent) {
			t.Errorf("%q is taken for another text than %q", got, sent)
		}
	}
	for sent, got := range map[string]string{"one two": "one", "one": "", "": "x", "<@12345>": "<@12346>"} {
		if !(shown{Content: &got}).differs(sent) {
			t.Errorf("%q passes for %q", got, sent)
		}
	}
	if (shown{}).differs("text") {
		t.Error("a reply without content is taken for another text")
	}
}

// The rest of an answer, uploaded again after a crash, must not stay what it
// was before.
func TestAnUploadedFileIsThisAttemptsOwn(t *testing.T) {
	t.Parallel()
	s, m, r := question(t, fake.Options{})
	s.Fail(fake.Fault{Method: "POST", Path: "/messages", Cut: true})
	if _, err := r.Upload(t.Context(), "answer.md", []byte("old"), "The rest:"); err == nil {
		t.Fatal("the lost answer went unnoticed")
	}
	for range 2 {
		must(t)(r.Upload(t.Context(), "answer.md", []byte("newer and longer"), "The rest:"))
	}
	got := s.Replies(string(m.ID))
	if len(got) != 1 || len(got[0].Attachments) != 1 || string(got[0].Attachments[0].Data) != "newer and longer" {
		t.Errorf("people see %+v", got)
	}
	s.clean()
}
