package conversation

import (
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

func TestMessagesCarryTheHistoryInOrder(t *testing.T) {
	got := Window{}.Messages("Be brief.", []Exchange{asked("ann", "one?", "1"), asked("ann", "two?", "2")}, said("ann", "three?"))
	want := []completion.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "one?"}, {Role: "assistant", Content: "1"},
		{Role: "user", Content: "two?"}, {Role: "assistant", Content: "2"},
		{Role: "user", Content: "three?"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// Two people write before the bot is asked: one user message, with their names.
func TestNeighboursOfOneRoleAreJoined(t *testing.T) {
	history := []Exchange{asked("bob", "The nightly job failed again.", ""), asked("carl", "Same as on Monday?", ""), asked("ann", "so?", "Yes."), asked("", "", "And again.")}
	got := Window{}.Messages("Be brief.", history, said("ann", "what could it be?"))
	want := []completion.Message{
		{Role: "system", Content: "Be brief."},
		{Role: "user", Content: "BOB: The nightly job failed again.\n\nCARL: Same as on Monday?\n\nANN: so?"},
		{Role: "assistant", Content: "Yes.\n\nAnd again."},
		{Role: "user", Content: "ANN: what could it be?"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestMessagesNameTheSpeakersOnceThereAreSeveral(t *testing.T) {
	got := Window{}.Messages("", []Exchange{asked("ann", "one?", "1")}, said("bob", "and?"))
	if got[0].Content != "ANN: one?" || got[2].Content != "BOB: and?" {
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
		total += w.Tokens(m.Content)
	}
	if total > 1500 {
		t.Errorf("%d tokens were kept, the window less its reserve is 1500", total)
	}
	if got[0].Content != "system" || got[len(got)-1].Content != "now" {
		t.Errorf("system prompt or question is missing")
	}
	if got[1].Role != "user" || len(got)%2 != 0 {
		t.Errorf("an exchange was torn apart: %d messages", len(got))
	}
	if len(got) < 8 || got[len(got)-3].Content != "the newest" {
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
