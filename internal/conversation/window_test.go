package conversation

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/completion"
)

func asked(by, question, answer string) Exchange {
	return Exchange{Author: chat.Author{ID: by, Name: strings.ToUpper(by)}, Question: question, Answer: answer}
}

func said(by, text string) chat.Message {
	return chat.Message{Author: chat.Author{ID: by, Name: strings.ToUpper(by)}, Text: text}
}

// alike reports whether a model reads the same in two messages.
func alike(a, b completion.Message) bool {
	return a.Role == b.Role && a.Text() == b.Text() && a.Images() == b.Images()
}

func TestMessagesCarryTheHistoryInOrder(t *testing.T) {
	got := Window{}.Messages("Be brief.", []Exchange{asked("ann", "one?", "1"), asked("ann", "two?", "2")}, said("ann", "three?"))
	want := []completion.Message{
		completion.Text("system", "Be brief."),
		completion.Text("user", "one?"), completion.Text("assistant", "1"),
		completion.Text("user", "two?"), completion.Text("assistant", "2"),
		completion.Text("user", "three?"),
	}
	if !slices.EqualFunc(got, want, alike) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// Two people write before the bot is asked: one user message, with their names.
func TestNeighboursOfOneRoleAreJoined(t *testing.T) {
	history := []Exchange{asked("bob", "The nightly job failed again.", ""), asked("carl", "Same as on Monday?", ""), asked("ann", "so?", "Yes."), asked("", "", "And again.")}
	got := Window{}.Messages("Be brief.", history, said("ann", "what could it be?"))
	want := []completion.Message{
		completion.Text("system", "Be brief."),
		completion.Text("user", "BOB: The nightly job failed again.\n\nCARL: Same as on Monday?\n\nANN: so?"),
		completion.Text("assistant", "Yes.\n\nAnd again."),
		completion.Text("user", "ANN: what could it be?"),
	}
	if !slices.EqualFunc(got, want, alike) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestMessagesNameTheSpeakersOnceThereAreSeveral(t *testing.T) {
	got := Window{}.Messages("", []Exchange{asked("ann", "one?", "1")}, said("bob", "and?"))
	if got[0].Text() != "ANN: one?" || got[2].Text() != "BOB: and?" {
		t.Errorf("speakers are not named: %v", got)
	}
}

// A history longer than the window loses whole exchanges, oldest first; system
// prompt and question always go along.
func TestMessagesFitTheWindow(t *testing.T) {
	var history []Exchange
	for range 50 {
		history = append(history, asked("ann", strings.Repeat("q", 320), strings.Repeat("a", 320)))
	}
	history[49].Question = "the newest"
	w := Window{MaxInput: 2000, Reserve: 500}
	got := w.Messages("system", history, said("ann", "now"))

	total := 0
	for _, m := range got {
		total += w.Tokens(m.Text())
	}
	if total > 1500 {
		t.Errorf("%d tokens were kept, the window less its reserve is 1500", total)
	}
	if got[0].Text() != "system" || got[len(got)-1].Text() != "now" {
		t.Errorf("system prompt or question is missing")
	}
	if got[1].Role != "user" || len(got)%2 != 0 {
		t.Errorf("an exchange was torn apart: %d messages", len(got))
	}
	if len(got) < 8 || got[len(got)-3].Text() != "the newest" {
		t.Errorf("the newest exchanges should have been kept: %d messages", len(got))
	}
}

func TestAQuestionLargerThanTheWindowIsStillAsked(t *testing.T) {
	got := Window{MaxInput: 100}.Messages("s", []Exchange{asked("ann", "old", "old")}, said("ann", strings.Repeat("x", 10_000)))
	if len(got) != 2 {
		t.Errorf("want system and question only, got %d messages", len(got))
	}
}

// In a plain Discord channel people talk across each other: a question goes
// with its author's own exchanges and the chain of replies it hangs on.
func TestAboutFollowsTheReplyChainAndTheAuthor(t *testing.T) {
	first := asked("ann", "ann 1", "a")
	first.ID, first.Posted = "m1", []chat.MessageID{"p1"}
	second := asked("bob", "bob on ann", "b")
	second.ID, second.ReplyTo, second.Posted = "m2", "p1", []chat.MessageID{"p2"}
	other := asked("cid", "cid alone", "c")
	transcript := Transcript{Exchanges: []Exchange{first, second, other}}

	question := said("dan", "dan on bob")
	question.ReplyTo = "p2"
	question.Place = chat.Place{Platform: "discord", Channel: "c"}
	var got []string
	for _, e := range transcript.About(question) {
		got = append(got, e.Question)
	}
	if want := []string{"ann 1", "bob on ann"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	question.ReplyTo = ""
	question.Author.ID = "cid"
	if got := transcript.About(question); len(got) != 1 || got[0].Question != "cid alone" {
		t.Errorf("without a reply only the author's own exchanges count: %v", got)
	}

	question.Place.Thread = "t"
	if got := transcript.About(question); len(got) != 3 {
		t.Errorf("a thread is one conversation: %v", got)
	}
}

func TestFromHistoryPairsQuestionsWithTheBotsAnswers(t *testing.T) {
	bot := said("bot", "answer")
	bot.FromBot = true
	got := FromHistory([]chat.Message{said("ann", "first"), said("bob", "second"), bot, said("ann", "third")})
	if len(got) != 3 || got[0].Answer != "" || got[1].Question != "second" || got[1].Answer != "answer" || got[2].Question != "third" {
		t.Errorf("got %+v", got)
	}
}

func TestMessagesCarryParts(t *testing.T) {
	file := chat.Part{Kind: chat.KindFile, Text: "x := 1\n", File: chat.File{Name: "a.go"}}
	picture := chat.FilePart(chat.File{Name: "a.png", Type: "image/png"})
	first := asked("ann", "what is this?\n[attached file: a.png]", "A cat.")
	first.Parts = []chat.Part{chat.TextPart("what is this?"), picture}
	second := asked("bob", "[attached file: a.png]", "")
	second.Parts = []chat.Part{picture}
	question := said("ann", "and this?")
	question.Parts = []chat.Part{chat.TextPart("and this?"), file}
	got := Window{}.Messages("", []Exchange{first, second}, question)
	want := []completion.Message{
		completion.Of("user", []chat.Part{chat.TextPart("ANN: what is this?"), picture}),
		completion.Text("assistant", "A cat."),
		completion.Of("user", []chat.Part{chat.TextPart("BOB:"), picture, chat.TextPart("ANN: and this?"), file}),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if first.Parts[0].Text != "what is this?" || question.Parts[0].Text != "and this?" {
		t.Error("the exchange itself was changed")
	}
}

// What is counted before a request is what the request then has.
func TestPartsCountAgainstTheWindow(t *testing.T) {
	file := chat.Part{Kind: chat.KindFile, Text: strings.Repeat("x", 3200), File: chat.File{Name: "a.go"}}
	picture := chat.FilePart(chat.File{Name: "a.png", Type: "image/png"})
	withFile, withPicture := asked("ann", "?", ""), asked("ann", "?", "")
	withFile.Parts, withPicture.Parts = []chat.Part{chat.TextPart("?"), file}, []chat.Part{chat.TextPart("?"), picture}
	kept := func(w Window, e Exchange) bool {
		return len(w.Messages("", []Exchange{e, asked("ann", "then?", "!")}, said("ann", "now"))[0].Parts[0].Text) == 1
	}
	for name, c := range map[string]struct {
		w    Window
		e    Exchange
		kept bool
	}{
		"a file that fits":                  {Window{MaxInput: 1100}, withFile, true},
		"one that does not":                 {Window{MaxInput: 1000}, withFile, false},
		"an image that is sent and fits":    {Window{MaxInput: 1700, Images: true}, withPicture, true},
		"one that does not fit":             {Window{MaxInput: 1600, Images: true}, withPicture, false},
		"one that is only a line of text":   {Window{MaxInput: 100}, withPicture, true},
		"a file is no image when they sent": {Window{MaxInput: 1000, Images: true}, withFile, false},
	} {
		if got := kept(c.w, c.e); got != c.kept {
			t.Errorf("%s: kept %v", name, got)
		}
	}
	question := said("ann", "?")
	question.Parts = withPicture.Parts
	w := Window{Images: true}
	sent := w.Messages("", nil, question)
	sent[0].Parts[1].Image = []byte("\x89PNG")
	if got, want := w.Sent(sent), w.cost(question.Parts); got != want || got < perImage {
		t.Errorf("%d tokens are sent, %d were counted", got, want)
	}
	if got := (Window{}).Sent(sent[:0]); got != 0 {
		t.Errorf("no message is %d tokens", got)
	}
}
