// The stage of these tests: a board in memory, an inbox whose messages are
// answered word by word, and a desk that knows a few commands.

package playground

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/bots"
	"parley/internal/chat"
	"parley/internal/door"
	"parley/internal/door/doortest"
)

// token is what the stage's requests get in with.
const token = "the-admin-token-0123"

// memory is a Board for one process.
type memory struct {
	mu       sync.Mutex
	records  map[string][]byte
	rooms    map[string][]string
	at       map[string]time.Time
	watchers map[int]func(room, id, note string)
	next     int
	broken   error // what every method says, if set
}

func newMemory() *memory {
	return &memory{records: map[string][]byte{}, rooms: map[string][]string{}, at: map[string]time.Time{}, watchers: map[int]func(string, string, string){}}
}

func (m *memory) tell(room, id, note string) {
	for _, f := range m.watchers {
		f(room, id, note)
	}
}

func (m *memory) Add(_ context.Context, room, id string, at time.Time, data []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.records[id]; there || m.broken != nil {
		return false, m.broken
	}
	m.records[id], m.at[id] = data, at
	m.rooms[room] = append(m.rooms[room], id)
	slices.SortStableFunc(m.rooms[room], func(a, b string) int { return m.at[a].Compare(m.at[b]) })
	m.tell(room, id, "")
	return true, nil
}

func (m *memory) Set(_ context.Context, room, id string, data []byte) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.records[id]; !there || m.broken != nil {
		return false, m.broken
	}
	m.records[id] = data
	m.tell(room, id, "")
	return true, nil
}

func (m *memory) Remove(_ context.Context, room, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, id)
	m.rooms[room] = slices.DeleteFunc(m.rooms[room], func(other string) bool { return other == id })
	m.tell(room, id, "")
	return m.broken
}

func (m *memory) Get(_ context.Context, id string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, there := m.records[id]
	return data, there, m.broken
}

func (m *memory) List(_ context.Context, room string, before time.Time, n int) (ids []string, data [][]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range m.rooms[room] {
		if before.IsZero() || m.at[id].Before(before) {
			ids, data = append(ids, id), append(data, m.records[id])
		}
	}
	from := max(0, len(ids)-n)
	return ids[from:], data[from:], m.broken
}

func (m *memory) Sizes(_ context.Context, rooms []string) (counts []int, last []time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, room := range rooms {
		var end time.Time
		if ids := m.rooms[room]; len(ids) > 0 {
			end = m.at[ids[len(ids)-1]]
		}
		counts, last = append(counts, len(m.rooms[room])), append(last, end)
	}
	return counts, last, m.broken
}

func (m *memory) Signal(_ context.Context, room, note string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tell(room, "", note)
	return nil
}

func (m *memory) Watch(ctx context.Context, changed func(room, id, note string)) error {
	m.mu.Lock()
	n := m.next
	m.next++
	m.watchers[n] = changed
	m.mu.Unlock()
	changed("", "", "")
	<-ctx.Done()
	m.mu.Lock()
	delete(m.watchers, n)
	m.mu.Unlock()
	return ctx.Err()
}

// stage is an adapter with all it needs, served over HTTP.
type stage struct {
	t        testing.TB
	door     *door.Door
	memory   *doortest.Memory
	outside  bool // the requests of this stage carry no token, and its browser no session
	adapter  *Adapter
	board    *memory
	server   *httptest.Server
	ctx      context.Context
	mu       sync.Mutex
	messages []chat.Message
	commands []chat.Command
	presses  []chat.Press
	given    []map[string]string
	list     []Provider
	found    []Server
	stops    map[string]context.CancelFunc
	answer   string        // what bots answer
	pace     time.Duration // between two pieces of an answer
	refuse   error         // what Put says
	hold     chan struct{} // Put waits until it is closed, if set
	answers  sync.WaitGroup
}

func testBots() []bots.Bot {
	return []bots.Bot{
		{ID: "reviewer", Name: "Code Reviewer", Description: "Reads a diff and says what it would ask about.", Provider: "lab", Model: "qwen3-8b"},
		{ID: "helper", Name: "Helper", Description: "Answers everyday questions.", Provider: "demo", Model: "demo", Default: true, Fallbacks: []bots.ModelRef{{Provider: "lab", Model: "qwen3-8b"}}},
	}
}

func newStage(t testing.TB, change ...func(*Options)) *stage {
	s := &stage{t: t, memory: &doortest.Memory{}, board: newMemory(), stops: map[string]context.CancelFunc{}, answer: "Hello there.", list: []Provider{
		{ID: "demo", Name: "Demo", Endpoint: "http://127.0.0.1:7070/demo/v1/chat/completions", Source: "builtin", Models: []string{"demo"}, Usable: true},
	}}
	s.door = doortest.With(t, token, s.memory)
	o := Options{
		Bots: testBots(), Board: s.board, Door: s.door, Version: "test",
		Providers: func(context.Context) ([]Provider, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return slices.Clone(s.list), nil
		},
		Discovered: func(context.Context) []Server {
			s.mu.Lock()
			defer s.mu.Unlock()
			return slices.Clone(s.found)
		},
		Ports: chat.Ports{Inbox: s, Desk: s},
		Log:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, f := range change {
		f(&o)
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.adapter = a
	ctx, cancel := context.WithCancel(t.Context())
	s.ctx = ctx
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	s.until("the feed is followed", func() bool { // what is said before, no open page is told of
		s.board.mu.Lock()
		defer s.board.mu.Unlock()
		return len(s.board.watchers) > 0
	})
	s.server = httptest.NewServer(a.Handler())
	t.Cleanup(func() {
		cancel()
		running.Wait()
		s.server.CloseClientConnections()
		s.server.Close()
		s.answers.Wait()
	})
	return s
}

// Put keeps the message and has it answered.
func (s *stage) Put(_ context.Context, m chat.Message) error {
	if s.hold != nil {
		<-s.hold
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	if slices.ContainsFunc(s.messages, func(o chat.Message) bool { return o.Key == m.Key }) {
		return nil
	}
	s.messages = append(s.messages, m)
	turn := fmt.Sprintf("turn-%d", len(s.messages))
	ctx, cancel := context.WithCancel(s.ctx)
	s.stops[turn] = cancel
	answer, pace := s.answer, s.pace
	s.answers.Go(func() { s.write(ctx, m, turn, answer, pace) })
	return nil
}

// write posts the first words and edits the rest in.
func (s *stage) write(ctx context.Context, m chat.Message, turn, answer string, pace time.Duration) {
	if answer == "" {
		return
	}
	pen, err := s.adapter.Responder(m)
	if err != nil {
		s.t.Error(err)
		return
	}
	thinking, done := context.WithCancel(ctx)
	s.answers.Go(func() { pen.Thinking(thinking) })
	words := strings.SplitAfter(answer, " ")
	posted, text := chat.Receipt{}, ""
	for i := 0; i < len(words); i += 2 {
		select {
		case <-time.After(pace):
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		text += strings.Join(words[i:min(i+2, len(words))], "")
		c := chat.Content{Markdown: text, Key: turn + "-0", Stop: turn}
		if i == 0 {
			done()
			posted, err = pen.Post(ctx, c)
		} else {
			_, err = pen.Edit(ctx, posted.ID, c)
		}
		if err != nil && ctx.Err() == nil {
			s.t.Error(err)
		}
	}
	done()
	if s.ctx.Err() == nil {
		_, _ = pen.Edit(s.ctx, posted.ID, chat.Content{Markdown: text, Key: turn + "-0", Final: true})
	}
}

var _ chat.Desk = (*stage)(nil)

func (s *stage) Do(_ context.Context, c chat.Command) (chat.Reply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = append(s.commands, c)
	switch verb, id, _ := strings.Cut(c.Args, " "); {
	case c.Name == "help":
		return chat.Reply{Text: "Mention me, or write to me directly."}, nil
	case c.Name == "reset":
		return chat.Reply{Text: "This conversation is forgotten.", Public: true}, nil
	case c.Name == "stop":
		if stop := s.stops[c.Args]; stop != nil {
			stop()
			return chat.Reply{}, nil
		}
		return chat.Reply{Text: "Nothing is being written."}, nil
	case c.Name == "model" && c.Args == "":
		return chat.Reply{
			Text: "Here it is `demo/demo`.",
			Menu: &chat.Menu{Action: "model", Placeholder: "Switch the model", Options: []chat.Option{{Label: "demo/demo", Value: "demo/demo", Current: true}, {Label: "lab/qwen3-8b", Value: "lab/qwen3-8b"}}},
		}, nil
	case c.Name == "model":
		return chat.Reply{Text: "This channel now uses `" + c.Args + "`.", Public: true}, nil
	case c.Name == "provider" && verb == "add":
		return chat.Reply{Form: providerForm()}, nil
	case c.Name == "provider" && verb == "edit":
		for _, p := range s.list {
			if p.ID == id {
				return chat.Reply{Form: editForm(p)}, nil
			}
		}
	case c.Name == "provider" && verb == "test":
		return chat.Reply{Text: "`" + id + "`: reachable, streams, first token after 40 ms."}, nil
	case c.Name == "provider" && verb == "remove":
		s.list = slices.DeleteFunc(s.list, func(p Provider) bool { return p.ID == id })
		return chat.Reply{Text: "Removed `" + id + "`.", Public: true}, nil
	case c.Name == "provider":
		return chat.Reply{Text: "- **Demo** `demo`: **`demo` (used here)**", Buttons: []chat.Button{{Label: "Add a provider", Action: "provider.add"}}}, nil
	}
	return chat.Reply{}, chat.Tell("I do not know %s %s.", c.Name, c.Args)
}

// Press is counted, and then answered like the command that reads the same.
func (s *stage) Press(ctx context.Context, p chat.Press) (chat.Reply, error) {
	s.mu.Lock()
	s.presses = append(s.presses, p)
	s.mu.Unlock()
	name, args, _ := strings.Cut(chat.ControlText(p.Action, p.Args), " ")
	return s.Do(ctx, chat.Command{Name: name, Args: args, Scope: p.Scope, Bot: p.Bot, Place: p.Place, Author: p.Author})
}

func (s *stage) Claim(context.Context, string) (bool, error) { return true, nil }

func (s *stage) Withdraw(context.Context, chat.Message) error { return nil }

func providerForm() *chat.Form {
	return &chat.Form{ID: "provider-add", Title: "Add a provider", Submit: "Save and test", Fields: []chat.Field{
		{ID: "id", Label: "Provider ID", Placeholder: "corp-gateway", Hint: "Lowercase letters, digits and hyphens"},
		{ID: "name", Label: "Display Name", Placeholder: "Corporate gateway", Optional: true, MaxLength: 80},
		{ID: "endpoint", Label: "Endpoint URL", Placeholder: "https://llm.example.com/v1/chat/completions", Hint: "The full address of chat completions"},
		{ID: "apiKey", Label: "API Key", Hint: "Stored sealed and never shown again", Optional: true, Secret: true, MaxLength: 2000},
		{ID: "models", Label: "Models", Placeholder: "gpt-4o, gpt-4o-mini", Hint: "Comma-separated; empty asks the endpoint", Optional: true, MaxLength: 2000},
	}}
}

// editForm is the add form filled in, as the desk gives it for "edit ID".
func editForm(p Provider) *chat.Form {
	f := providerForm()
	f.ID, f.Title = "provider-edit:"+p.ID, "Edit "+p.ID
	for i, v := range []string{p.ID, p.Name, p.Endpoint, "", strings.Join(p.Models, ", ")} {
		f.Fields[i].Value = v
	}
	f.Fields[3].Hint = "Leave empty to keep it"
	return f
}

func (s *stage) Complete(_ context.Context, c chat.Command) ([]chat.Option, error) {
	if c.Name == "provider" && c.Args == "" {
		return []chat.Option{{Value: "list"}, {Value: "edit"}}, nil
	}
	var out []chat.Option
	for _, o := range []chat.Option{{Label: "demo/demo", Value: "demo/demo", Current: true}, {Label: "lab/qwen3-8b", Value: "lab/qwen3-8b"}, {Label: "reset", Value: "reset"}} {
		if c.Name == "model" && strings.HasPrefix(o.Value, c.Args) {
			out = append(out, o)
		}
	}
	return out, nil
}

func (s *stage) Submit(_ context.Context, f chat.Submission) (chat.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = append(s.given, f.Values)
	faults := map[string]string{}
	if f.Values["id"] != strings.ToLower(f.Values["id"]) || f.Values["id"] == "" {
		faults["id"] = "Use lowercase letters, digits and hyphens, for example corp-gateway."
	}
	if !strings.HasPrefix(f.Values["endpoint"], "http") {
		faults["endpoint"] = "Give the full address, starting with https:// or http://."
	}
	if len(f.Values["name"]) > 100 {
		faults["name"] = "must be at most 100 characters"
	}
	if len(faults) > 0 {
		return chat.Outcome{Errors: faults}, nil
	}
	return chat.Outcome{Then: func(context.Context) chat.Reply {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.list = append(s.list, Provider{
			ID: f.Values["id"], Name: f.Values["name"], Endpoint: f.Values["endpoint"], Source: "custom", Usable: true,
			Models: strings.Split(f.Values["models"], ", "), KeySet: f.Values["apiKey"] != "",
		})
		return chat.Reply{Text: "Saved `" + f.Values["id"] + "`. It answers and streams; first token after 38 ms."}
	}}, nil
}

func (s *stage) got() []chat.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

func (s *stage) did() []chat.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.commands)
}

// until waits for a condition, looking every few milliseconds.
func (s *stage) until(what string, is func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !is() {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited a minute in vain: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
