// What is promised about the messages of an answer.

package chattest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"parley/internal/chat"
)

func aboutPosts() []promise {
	return []promise{
		{"a post grows by edits and ends without controls", growing},
		{"a long answer is several messages in order", continued},
		{"a post that is tried again is posted once", tried},
		{"a post whose answer was lost is found", lost},
		{"a post that was never made is made", unmade},
		{"a message that is taken back is gone", removed},
		{"a post that nobody noted is found", found},
		{"a file is found by its name and taken back", foundFile},
		{"a message that people deleted cannot be edited", deleted},
		{"a file arrives whole", uploaded},
		{"a text of the greatest size arrives whole", sized},
		{"a text that is too long is never cut in silence", oversized},
		{"what a model writes notifies nobody", quiet},
		{"a message for one person bothers nobody else", only},
		{"a stream of the platform's own ends as a message", streamed},
	}
}

func growing(s *stage) {
	m := s.ask(chat.Place{}, "what is a lane?")
	r := s.responder(m)
	id := s.post(r, chat.Content{
		Markdown: "A lane is", Key: "turn-0", Stop: "turn", Buttons: []chat.Button{{Label: "More", Action: "help"}},
	})
	first := s.reads(m.Place, "A lane is")[0]
	if first.ID != id {
		s.Errorf("the receipt names message %q, people read %q", id, first.ID)
	}
	if len(first.Controls) != 2 || !slices.Contains(first.Controls, "More") {
		s.Errorf("controls %q, want Stop and More", first.Controls)
	}
	got, err := r.Edit(s.Context(), id, chat.Content{Markdown: "A lane is an order of messages", Key: "turn-0", Final: true})
	s.must("edit", err)
	if got.ID != id {
		s.Errorf("the receipt of an edit names message %q, want %q", got.ID, id)
	}
	last := s.reads(m.Place, "A lane is an order of messages")[0]
	if len(last.Controls) != 0 {
		s.Errorf("controls %q stay below the whole answer", last.Controls)
	}
}

func continued(s *stage) {
	m := s.ask(chat.Place{}, "tell me a lot")
	r := s.responder(m)
	var last chat.MessageID
	ids := map[chat.MessageID]bool{}
	for n, text := range []string{"the first part", "the second part", "the third part"} {
		last = s.post(r, chat.Content{Markdown: text, Key: fmt.Sprint("turn-", n), After: last, Final: true})
		ids[last] = true
	}
	s.reads(m.Place, "the first part", "the second part", "the third part")
	if len(ids) != 3 {
		s.Errorf("three messages have the ids %v", ids)
	}
}

func tried(s *stage) {
	m := s.ask(chat.Place{}, "once only")
	c := chat.Content{Markdown: "said once", Key: "turn-0"}
	id := s.post(s.responder(m), c)
	c.Again = true
	for _, a := range []chat.Adapter{s.Adapter(), s.Another()} {
		if again := s.post(s.responderOf(a, m), c); again != id {
			s.Errorf("tried again it is message %q, want %q", again, id)
		}
	}
	s.reads(m.Place, "said once")
}

func lost(s *stage) {
	m := s.ask(chat.Place{}, "lost on the way")
	s.suffer(Lost)
	c := chat.Content{Markdown: "half of it", Key: "turn-0"}
	if _, err := s.responder(m).Post(s.Context(), c); s.seen(err) == nil {
		s.Fatal("a post whose answer was lost reports success")
	}
	c.Again = true
	other := s.responderOf(s.Another(), m)
	id := s.post(other, c)
	_, err := other.Edit(s.Context(), id, chat.Content{Markdown: "half of it, and the rest", Key: "turn-0", Final: true})
	s.must("edit what was found", err)
	if got := s.reads(m.Place, "and the rest")[0]; got.ID != id {
		s.Errorf("found message %q, people read %q", id, got.ID)
	}
}

func unmade(s *stage) {
	m := s.ask(chat.Place{}, "never made")
	s.post(s.responder(m), chat.Content{Markdown: "made after all", Key: "turn-0", Again: true})
	s.reads(m.Place, "made after all")
}

func removed(s *stage) {
	m := s.ask(chat.Place{}, "take it back")
	r := s.remover(m)
	first := s.post(s.responder(m), chat.Content{Markdown: "stays", Key: "turn-0"})
	second := s.post(s.responder(m), chat.Content{Markdown: "goes", Key: "turn-1", After: first})
	for range 2 { // one that is gone already is no error
		_, err := r.Remove(s.Context(), second)
		s.must("remove", err)
	}
	s.reads(m.Place, "stays")
}

// remover is the responder's side that takes back, or the test is skipped.
func (s *stage) remover(m chat.Message) chat.Remover {
	s.Helper()
	r, ok := s.responder(m).(chat.Remover)
	if !ok {
		s.Skip("no message can be taken back here")
	}
	return r
}

// finds looks for what was posted for m.
func (s *stage) finds(m chat.Message, sought chat.Sought) chat.MessageID {
	s.Helper()
	id, err := s.remover(m).Find(s.Context(), sought)
	s.must("find", err)
	return id
}

func found(s *stage) {
	m := s.ask(chat.Place{}, "who noted it?")
	if id := s.finds(m, chat.Sought{Key: "turn-0"}); id != "" {
		s.Errorf("message %q is found where nothing was posted", id)
	}
	s.reads(m.Place)
	s.suffer(Lost)
	_, err := s.responder(m).Post(s.Context(), chat.Content{Markdown: "nobody noted me", Key: "turn-0"})
	_ = s.seen(err)
	if id := s.finds(m, chat.Sought{Key: "turn-0"}); id != s.reads(m.Place, "nobody noted me")[0].ID {
		s.Errorf("message %q is found", id)
	}
}

func foundFile(s *stage) {
	m := s.ask(chat.Place{}, "where is the file?")
	id := s.finds(m, chat.Sought{File: "answer.md"})
	if id != "" {
		s.Errorf("file %q is found where none is", id)
	}
	uploaded, err := s.responder(m).Upload(s.Context(), "answer.md", []byte("the answer"), "The answer as a file.")
	s.must("upload", err)
	s.reads(m.Place, "The answer as a file.")
	if id = s.finds(m, chat.Sought{File: "answer.md"}); id != uploaded.ID {
		s.Errorf("file %q is found, want %q", id, uploaded.ID)
	}
	if other := s.finds(m, chat.Sought{File: "answer.md", Not: uploaded.ID}); other != "" {
		s.Errorf("file %q is found where there is no other", other)
	}
	for range 2 {
		_, err = s.remover(m).Remove(s.Context(), id)
		s.must("remove", err)
	}
	s.reads(m.Place)
}

func deleted(s *stage) {
	m := s.ask(chat.Place{}, "somebody deletes it")
	r := s.responder(m)
	id := s.post(r, chat.Content{Markdown: "short-lived", Key: "turn-0"})
	s.Delete(m.Place, id)
	s.reads(m.Place)
	_, err := r.Edit(s.Context(), id, chat.Content{Markdown: "too late", Key: "turn-0"})
	if s.seen(err); !chat.Refused(err, chat.Gone) {
		s.Errorf("the edit of a deleted message gives %v, want a refusal because it is gone", err)
	}
	s.reads(m.Place)
}

func uploaded(s *stage) {
	m := s.ask(chat.Place{}, "as a file")
	data := bytes.Repeat([]byte("a line of the answer\n"), 500)
	got, err := s.responder(m).Upload(s.Context(), "answer.md", data, "The answer as a file.")
	s.must("upload", err)
	if got.ID == "" {
		s.Error("the receipt of an upload has no id")
	}
	file := s.reads(m.Place, "The answer as a file.")[0]
	if file.File != "answer.md" || !bytes.Equal(file.Data, data) {
		s.Errorf("file %q of %d bytes, want answer.md of %d", file.File, len(file.Data), len(data))
	}
}

// measured makes a text of words that measures at most size, and nearly that.
func measured(l chat.Limits, size int) string {
	measure := l.Measure
	if measure == nil {
		measure = utf8.RuneCountInString
	}
	const first, last = "begin", " fin."
	words := (size - measure(first+last)) / 5
	for ; measure(first+strings.Repeat(" word", words)+last) > size; words-- {
	}
	return first + strings.Repeat(" word", words) + last
}

func sized(s *stage) {
	m := s.ask(chat.Place{}, "as much as you can")
	r := s.responder(m)
	l := r.Limits()
	if l.Size < 100 {
		s.Fatalf("a message may measure %d", l.Size)
	}
	for _, b := range []chat.Budget{l.Edits, l.Posts, l.Global, l.Starts, l.Appends, l.Ends} {
		if b.Calls > 0 && (b.Key == "" || b.Window <= 0) {
			s.Errorf("a budget that limits has no key or window: %+v", b)
		}
	}
	text := measured(l, l.Size)
	s.post(r, chat.Content{Markdown: text, Key: "turn-0", Final: true})
	if got := s.reads(m.Place, "begin word")[0].Text; strings.Count(got, "word") != strings.Count(text, "word") || !strings.HasSuffix(strings.TrimSpace(got), "fin.") {
		s.Errorf("of %d bytes people read %d", len(text), len(got))
	}
}

func oversized(s *stage) {
	m := s.ask(chat.Place{}, "more than you can")
	r := s.responder(m)
	text := measured(r.Limits(), 2*r.Limits().Size)
	_, err := r.Post(s.Context(), chat.Content{Markdown: text, Key: "turn-0", Final: true})
	if s.seen(err) != nil {
		if !chat.Refused(err, chat.TooLong) {
			s.Errorf("a text that is too long gives %v, want a refusal because of its length", err)
		}
		s.reads(m.Place)
		return
	}
	if got := s.reads(m.Place, "begin word")[0].Text; strings.Count(got, "word") != strings.Count(text, "word") {
		s.Errorf("of %d bytes people read %d, and nobody was told", len(text), len(got))
	}
}

func quiet(s *stage) {
	m := s.ask(chat.Place{}, "shout")
	shout := "listen @everyone @here @channel <!everyone> <!here> <!channel> <@" + m.Author.ID + "> <@!" + m.Author.ID + "> @" + m.Author.Name
	r := s.responder(m)
	id := s.post(r, chat.Content{Markdown: shout, Key: "turn-0"})
	_, err := r.Edit(s.Context(), id, chat.Content{Markdown: "again: " + shout, Key: "turn-0", Final: true})
	s.must("edit", err)
	_, err = r.Upload(s.Context(), "shout.md", []byte(shout), "a file: "+shout)
	s.must("upload", err)
	for _, p := range s.reads(m.Place, "again:", "a file:") {
		if len(p.Pings) > 0 {
			s.Errorf("%q notifies %v", p.Text, p.Pings)
		}
	}
}

func only(s *stage) {
	m := s.ask(chat.Place{}, "just for me")
	s.post(s.responder(m), chat.Content{Markdown: "for your eyes", Key: "turn-0", Only: m.Author.ID, Final: true})
	got := s.reads(m.Place, "for your eyes")[0]
	if got.Only != "" && got.Only != m.Author.ID {
		s.Errorf("it is shown to %q, want %q", got.Only, m.Author.ID)
	}
	if len(got.Pings) > 0 {
		s.Errorf("it notifies %v", got.Pings)
	}
}

func streamed(s *stage) {
	m := s.ask(chat.Place{}, "as it comes")
	r := s.responder(m)
	stream, ok := r.(chat.Streamer)
	if !ok || !r.Limits().Native {
		s.Skip("this platform does not stream here")
	}
	got, err := stream.Start(s.Context(), chat.Content{Markdown: "as ", Key: "turn-0", Stop: "turn"})
	s.must("start", err)
	_, err = stream.Append(s.Context(), got.ID, "as ", "as it ")
	s.must("append", err)
	_, err = stream.Append(s.Context(), got.ID, "as it ", "something else")
	if s.seen(err); err == nil {
		s.Error("a text that does not go on from what was sent is appended")
	}
	_, err = stream.End(s.Context(), got.ID, "as it ", chat.Content{Markdown: "as it comes", Key: "turn-0", Final: true})
	s.must("end", err)
	s.reads(m.Place, "as it comes")
	_, err = stream.Append(s.Context(), got.ID, "as it comes", "as it comes, too late")
	if s.seen(err); !chat.Refused(err) && !errors.Is(err, chat.ErrStopped) {
		s.Errorf("a stream that has ended takes more: %v", err)
	}
	if again := s.post(s.responderOf(s.Another(), m), chat.Content{Markdown: "as it comes", Key: "turn-0", Again: true}); again != got.ID {
		s.Errorf("tried again the stream is message %q, want %q", again, got.ID)
	}
	s.reads(m.Place, "as it comes")
}
