// The fake workspace itself, over the wire: that it refuses what Slack refuses
// and remembers what a person saw.

package slack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

type answer struct {
	status int
	after  string
	OK     bool   `json:"ok"`
	Error  string `json:"error"`
	TS     string `json:"ts"`
	URL    string `json:"upload_url"`
	FileID string `json:"file_id"`
	View   struct {
		ID string `json:"id"`
	} `json:"view"`
	Messages []struct {
		TS       string          `json:"ts"`
		Metadata json.RawMessage `json:"metadata"`
	} `json:"messages"`
	More bool `json:"has_more"`
	Meta struct {
		Cursor   string   `json:"next_cursor"`
		Messages []string `json:"messages"`
	} `json:"response_metadata"`
}

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *Server) try(t *testing.T, method string, args ...string) answer {
	t.Helper()
	form := url.Values{"token": {s.App("").BotToken}}
	for i := 0; i < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	resp, err := http.PostForm(s.APIURL()+method, form)
	if err != nil {
		return answer{Error: "connection lost"}
	}
	defer resp.Body.Close()
	out := answer{status: resp.StatusCode, after: resp.Header.Get("Retry-After")}
	body, _ := io.ReadAll(resp.Body)
	_ = json.Unmarshal(body, &out)
	return out
}

func markdownBlocks(texts ...string) string {
	var out []any
	for _, text := range texts {
		out = append(out, map[string]any{"type": "markdown", "text": text})
	}
	return string(mustJSON(out))
}

func TestWhatSlackRefuses(t *testing.T) {
	app := DefaultApp()
	s := start(t, Options{Apps: []App{app}, Limits: Limits{Off: true}})
	ts := s.Mention("C1", "U1", "hi")
	s.AddChannel(Channel{ID: "C2", Archived: true})
	s.AddChannel(Channel{ID: "C3", Absent: []string{app.ID}})
	s.AddChannel(Channel{ID: "G4", Absent: []string{app.ID}, Private: true})
	mine := s.try(t, "chat.postMessage", "channel", "C1", "text", "x").TS
	button := func(value string) string {
		return string(mustJSON([]any{map[string]any{"type": "actions", "elements": []any{map[string]any{"type": "button", "action_id": "a", "text": map[string]any{"type": "plain_text", "text": "b"}, "value": value}}}}))
	}
	for _, c := range []struct {
		method, want string
		args         []string
	}{
		{"chat.nonsense", "unknown_method", nil},
		{"auth.test", "not_authed", []string{"token", ""}},
		{"auth.test", "invalid_auth", []string{"token", "xoxb-guess"}},
		{"chat.postMessage", "invalid_arguments", []string{"channel", "C1", "text", "x", "treadts", "1"}},
		{"chat.postMessage", "invalid_arguments", []string{"text", "x"}},
		{"chat.postMessage", "no_text", []string{"channel", "C1"}},
		{"chat.postMessage", "channel_not_found", []string{"channel", "C9", "text", "x"}},
		{"chat.postMessage", "channel_not_found", []string{"channel", "G4", "text", "x"}},
		{"chat.postMessage", "is_archived", []string{"channel", "C2", "text", "x"}},
		{"chat.postMessage", "not_in_channel", []string{"channel", "C3", "text", "x"}},
		{"chat.postMessage", "cannot_reply_to_message", []string{"channel", "C1", "text", "x", "thread_ts", "1.2"}},
		{"chat.postMessage", "markdown_text_conflict", []string{"channel", "C1", "text", "x", "markdown_text", "y"}},
		{"chat.postMessage", "msg_blocks_too_long", []string{"channel", "C1", "text", "x", "blocks", markdownBlocks(strings.Repeat("a", 6001), strings.Repeat("b", 6000))}},
		{"chat.postMessage", "invalid_blocks", []string{"channel", "C1", "text", "x", "blocks", "{}"}},
		{"chat.postMessage", "invalid_blocks", []string{"channel", "C1", "text", "x", "blocks", `[{"type":"markdown","text":""}]`}},
		{"chat.postMessage", "invalid_blocks", []string{"channel", "C1", "text", "x", "blocks", `[{"type":"hologram"}]`}},
		{"chat.postMessage", "invalid_blocks", []string{"channel", "C1", "text", "x", "blocks", button(strings.Repeat("v", 2001))}},
		{"chat.postMessage", "invalid_metadata_format", []string{"channel", "C1", "text", "x", "metadata", `{"key":"k"}`}},
		{"chat.update", "message_not_found", []string{"channel", "C1", "ts", "1.2", "text", "x"}},
		{"chat.update", "cant_update_message", []string{"channel", "C1", "ts", ts, "text", "x"}},
		{"chat.update", "msg_too_long", []string{"channel", "C1", "ts", mine, "text", strings.Repeat("x", 4001)}},
		{"chat.update", "", []string{"channel", "C1", "ts", mine, "text", strings.Repeat("x", 4000)}},
		{"chat.postMessage", "", []string{"channel", "C1", "text", "x", "blocks", markdownBlocks(strings.Repeat("a", 6000), strings.Repeat("b", 6000))}},
		{"chat.postMessage", "", []string{"channel", "C1", "text", "x", "blocks", button(strings.Repeat("v", 2000))}},
		{"chat.postMessage", "", []string{"channel", "U1", "text", "to the direct message"}},
		{"chat.postEphemeral", "user_not_in_channel", []string{"channel", "C1", "user", "U9", "text", "x"}},
		{"conversations.replies", "thread_not_found", []string{"channel", "C1", "ts", "1.2"}},
		{"users.info", "user_not_found", []string{"user", "U9"}},
		{"views.open", "invalid_trigger_id", []string{"trigger_id", "x", "view", "{}"}},
		{"assistant.threads.setStatus", "invalid_thread_ts", []string{"channel_id", "C1", "thread_ts", "1.2", "status", "x"}},
		{"reactions.remove", "no_reaction", []string{"channel", "C1", "timestamp", ts, "name", "eyes"}},
		{"chat.startStream", "missing_recipient_user_id", []string{"channel", "C1", "thread_ts", ts, "markdown_text", "x"}},
	} {
		if got := s.try(t, c.method, c.args...); got.Error != c.want || got.OK != (c.want == "") {
			t.Errorf("%s %.80q: %q, want %q %v", c.method, c.args, got.Error, c.want, got.Meta.Messages)
		}
	}
	for _, v := range s.Violations() {
		if strings.Contains(v, "the fake itself") {
			t.Error(v)
		}
	}
}

func TestATokenWithoutTheScopeIsRefused(t *testing.T) {
	app := DefaultApp()
	app.Scopes = []string{"chat:write"}
	s := start(t, Options{Apps: []App{app}})
	s.Mention("C1", "U1", "hi")
	if got := s.try(t, "users.info", "user", "U1"); got.Error != "missing_scope" {
		t.Errorf("%+v", got)
	}
	if got := s.try(t, "chat.postMessage", "channel", "C1", "text", "x"); !got.OK {
		t.Errorf("%+v", got)
	}
}

func TestRateLimitsAreCountedPerMethodAndSaidInBothForms(t *testing.T) {
	s := start(t, Options{NoEcho: true, Limits: Limits{Form: Alternate, Methods: map[string]Rate{"chat.update": {PerMinute: 30, Burst: 3}}}})
	s.Mention("C1", "U1", "hi")
	ts := s.try(t, "chat.postMessage", "channel", "C1", "text", "x").TS
	forms := map[int]int{}
	for range 8 {
		got := s.try(t, "chat.update", "channel", "C1", "ts", ts, "text", "y")
		if !got.OK && (got.Error != "ratelimited" || got.after != "2") {
			t.Errorf("%+v", got)
		}
		if !got.OK {
			forms[got.status]++
		}
	}
	if forms[429] == 0 || forms[200] == 0 || forms[429]+forms[200] != 5 || s.Limited() != 5 {
		t.Errorf("%v, %d limited", forms, s.Limited())
	}
	ok := 0
	for range 8 { // its own budget, per channel
		if s.try(t, "chat.postMessage", "channel", "C1", "text", "x").OK {
			ok++
		}
	}
	if ok != 4 || !s.try(t, "chat.postMessage", "channel", "U1", "text", "x").OK {
		t.Errorf("%d posts in one channel", ok)
	}
	s.SetLimits(Limits{Off: true})
	for range 20 {
		if got := s.try(t, "chat.update", "channel", "C1", "ts", ts, "text", "y"); !got.OK {
			t.Fatalf("%+v", got)
		}
	}
}

func TestBucketsRefillSteadilyOrSlide(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	steady, b := Rate{PerMinute: 60, Burst: 2}, &bucket{}
	for i, c := range []struct {
		at   time.Duration
		wait time.Duration
	}{{0, 0}, {0, 0}, {0, time.Second}, {400 * time.Millisecond, 600 * time.Millisecond}, {time.Second, 0}, {time.Second, time.Second}, {time.Minute, 0}, {time.Minute, 0}, {time.Minute, time.Second}} {
		if got := b.take(steady, now.Add(c.at)).Round(time.Millisecond); got != c.wait {
			t.Errorf("steady %d: wait %s, want %s", i, got, c.wait)
		}
	}
	sliding, b := Rate{PerMinute: 2, Sliding: true}, &bucket{}
	for i, c := range []struct{ at, wait time.Duration }{{0, 0}, {30 * time.Second, 0}, {40 * time.Second, 20 * time.Second}, {time.Minute, 0}, {70 * time.Second, 20 * time.Second}} {
		if got := b.take(sliding, now.Add(c.at)); got != c.wait {
			t.Errorf("sliding %d: wait %s, want %s", i, got, c.wait)
		}
	}
}

func TestFaultsComeAsOrdered(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	s.Mention("C1", "U1", "hi")
	s.Inject(Fault{Method: "chat.postMessage", Skip: 1, Error: "fatal_error"})
	s.Inject(Fault{Method: "chat.postMessage", Skip: 1, After: true})
	s.Inject(Fault{Method: "auth.test", Status: 503, Times: 2})
	var got []string
	for range 4 {
		got = append(got, s.try(t, "chat.postMessage", "channel", "C1", "text", "x").Error)
	}
	if !slices.Equal(got, []string{"", "fatal_error", "connection lost", ""}) {
		t.Errorf("%q", got)
	}
	if n := len(s.Messages("C1")); n != 4 { // the lost answer was posted all the same
		t.Errorf("%d messages", n)
	}
	if a, b, c := s.try(t, "auth.test"), s.try(t, "auth.test"), s.try(t, "auth.test"); a.status != 503 || b.status != 503 || !c.OK {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
}

func TestTheTimelineIsWhatAPersonSaw(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	s.Mention("C1", "U1", "hi")
	ts := s.try(t, "chat.postMessage", "channel", "C1", "text", "note", "blocks", markdownBlocks("one")).TS
	for _, text := range []string{"one two", "one two", "one two <!here>"} {
		s.try(t, "chat.update", "channel", "C1", "ts", ts, "text", "note", "blocks", markdownBlocks(text))
	}
	s.try(t, "chat.delete", "channel", "C1", "ts", ts)
	var texts []string
	for _, seen := range s.Timeline(ts) {
		texts = append(texts, seen.Text)
	}
	if !slices.Equal(texts, []string{"one", "one two", "one two <!here>", ""}) {
		t.Errorf("%q", texts)
	}
	if p := s.Pings(); !slices.Equal(p, []string{"!here"}) {
		t.Errorf("%v", p)
	}
	if _, ok := s.Message(ts); !ok || len(s.Messages("C1")) != 1 {
		t.Error("a deleted message is known but not listed")
	}
}

func TestRepliesComeInPagesWithMetadata(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	root := s.Mention("C1", "U1", "hi")
	var want []string
	for range 5 {
		want = append(want, s.try(t, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", root, "metadata", `{"event_type":"e","event_payload":{"k":"v"}}`).TS)
	}
	var got []string
	cursor := ""
	for {
		page := s.try(t, "conversations.replies", "channel", "C1", "ts", root, "limit", "2", "cursor", cursor, "include_all_metadata", "true")
		for _, m := range page.Messages {
			if m.TS != root && len(m.Metadata) == 0 {
				t.Errorf("%+v", m)
			}
			got = append(got, m.TS)
		}
		if cursor = page.Meta.Cursor; !page.More {
			break
		}
	}
	if !slices.Equal(got, append([]string{root}, want...)) {
		t.Errorf("%v", got)
	}
	if page := s.try(t, "conversations.history", "channel", "C1"); len(page.Messages) != 1 {
		t.Errorf("%+v", page)
	}
	page := s.try(t, "conversations.replies", "channel", "C1", "ts", root, "oldest", want[3])
	if len(page.Messages) != 2 || page.Messages[1].TS != want[4] { // the root comes with every page
		t.Errorf("%+v", page.Messages)
	}
}

func TestAStreamGrowsEndsAndDies(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}, Pace: 1000}) // five minutes are 0.3 s
	root := s.Mention("C1", "U1", "hi")
	open := func() string {
		return s.try(t, "chat.startStream", "channel", "C1", "thread_ts", root, "recipient_user_id", "U1", "recipient_team_id", "T0TEAM", "markdown_text", "a").TS
	}
	ts := open()
	if got := s.try(t, "chat.update", "channel", "C1", "ts", ts, "text", "x"); got.Error != "streaming_state_conflict" {
		t.Errorf("%+v", got)
	}
	s.try(t, "chat.appendStream", "channel", "C1", "ts", ts, "markdown_text", "b")
	if got := s.try(t, "chat.appendStream", "channel", "C1", "ts", ts, "markdown_text", strings.Repeat("x", 11_900)); got.Error != "msg_blocks_too_long" {
		t.Errorf("%+v", got)
	}
	if got := s.try(t, "chat.stopStream", "channel", "C1", "ts", ts, "markdown_text", "c"); !got.OK {
		t.Errorf("%+v", got)
	}
	if m, _ := s.Message(ts); m.Seen != "abc" || m.Streaming || len(s.Timeline(ts)) != 3 {
		t.Errorf("%+v", m)
	}
	if got := s.try(t, "chat.appendStream", "channel", "C1", "ts", ts, "markdown_text", "d"); got.Error != "message_not_in_streaming_state" {
		t.Errorf("%+v", got)
	}
	stopped := open()
	s.StopStream(stopped)
	if got := s.try(t, "chat.appendStream", "channel", "C1", "ts", stopped, "markdown_text", "b"); got.Error != "stopped_by_user" {
		t.Errorf("%+v", got)
	}
	old := open()
	for begun := time.Now(); s.try(t, "chat.appendStream", "channel", "C1", "ts", old, "markdown_text", ".").OK; {
		if time.Since(begun) > time.Minute {
			t.Fatal("a stream of five minutes lives on")
		}
	}
	if got := s.try(t, "chat.appendStream", "channel", "C1", "ts", old, "markdown_text", "."); got.Error != "message_not_in_streaming_state" {
		t.Errorf("%+v", got)
	}
	if got := s.try(t, "chat.update", "channel", "C1", "ts", old, "text", "repaired"); !got.OK {
		t.Errorf("%+v", got)
	}
}

// receiver is an app's HTTP side that answers as told.
type receiver struct {
	mu     sync.Mutex
	status []int
	heads  []http.Header
	paths  []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heads, r.paths = append(r.heads, req.Header), append(r.paths, req.URL.Path)
	if len(r.status) > 0 {
		w.WriteHeader(r.status[0])
		r.status = r.status[1:]
	}
}

func await(t *testing.T, s *Server, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Await(ctx, cond); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventIsRetriedThriceWithItsNumber(t *testing.T) {
	s := start(t, Options{Pace: 600})
	r := &receiver{status: []int{500, 500, 500, 500}}
	web := httptest.NewServer(r)
	defer web.Close()
	s.Serve("", web.URL)
	_, ts := s.DM("U1", "hi")
	await(t, s, func() bool { return len(s.Deliveries()) == 4 })
	if s.Delivered(ts) {
		t.Error("taken")
	}
	for i, h := range r.heads {
		want := ""
		if i > 0 {
			want = strconv.Itoa(i)
		}
		if h.Get("X-Slack-Retry-Num") != want || h.Get("X-Slack-Signature") == "" || r.paths[i] != "/events" {
			t.Errorf("%d: %v", i, h)
		}
	}
	d := s.Deliveries()
	if gap := d[2].At.Sub(d[1].At); gap < 90*time.Millisecond || retryDelays()[0] != 0 { // a minute, 600 times as fast
		t.Errorf("the second retry came after %s, the first after %s", gap, retryDelays()[0])
	}
}

func TestBotsOwnPostsAndEditsAreEventsToo(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		s := start(t, Options{NoEcho: quiet})
		web := httptest.NewServer(&receiver{})
		defer web.Close()
		s.Serve("", web.URL)
		root := s.Mention("C1", "U1", "hi")
		await(t, s, func() bool { return len(s.Deliveries()) == 2 })
		ts := s.try(t, "chat.postMessage", "channel", "C1", "text", "x", "thread_ts", root).TS
		s.try(t, "chat.update", "channel", "C1", "ts", ts, "text", "y")
		want := 4
		if quiet {
			want = 2
		}
		await(t, s, func() bool { return len(s.Deliveries()) == want })
	}
}

func TestAResponseURLIsUsedUpAfterFive(t *testing.T) {
	s := start(t, Options{})
	web := httptest.NewServer(&receiver{})
	defer web.Close()
	s.Serve("", web.URL)
	got := s.Slash(Command{Channel: "C1", User: "U1", Command: "/model"})
	var status []int
	for range 6 {
		resp, err := http.Post(got.ResponseURL, "application/json", strings.NewReader(`{"text":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		status = append(status, resp.StatusCode)
	}
	if !slices.Equal(status, []int{200, 200, 200, 200, 200, 404}) {
		t.Errorf("%v", status)
	}
	if said := s.Messages("C1"); len(said) != 5 || said[0].Only != "U1" {
		t.Errorf("%+v", said)
	}
}

func TestATriggerOpensOneModal(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	web := httptest.NewServer(&receiver{})
	defer web.Close()
	s.Serve("", web.URL)
	view := `{"type":"modal","callback_id":"c","title":{"type":"plain_text","text":"T"},"submit":{"type":"plain_text","text":"S"},
		"blocks":[{"type":"input","block_id":"b","label":{"type":"plain_text","text":"L"},"element":{"type":"plain_text_input","action_id":"a","max_length":5}}]}`
	got := s.Slash(Command{Channel: "C1", User: "U1", Command: "/provider", Text: "add"})
	if a := s.try(t, "views.open", "trigger_id", got.TriggerID, "view", strings.Replace(view, `"T"`, `"A title that is far too long"`, 1)); a.Error != "invalid_arguments" {
		t.Errorf("%+v", a)
	}
	if a := s.try(t, "views.open", "trigger_id", got.TriggerID, "view", view); !a.OK || a.View.ID == "" {
		t.Errorf("%+v", a)
	}
	if a := s.try(t, "views.open", "trigger_id", got.TriggerID, "view", view); a.Error != "exchanged_trigger_id" {
		t.Errorf("%+v", a)
	}
	for value, want := range map[string]string{"": "fill in", "too long": "too long"} {
		if _, _, err := s.SubmitView("U1", map[string]string{"L": value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", value, err)
		}
	}
	if v, _, err := s.SubmitView("U1", map[string]string{"L": "fine"}); err != nil || v.Open {
		t.Errorf("%+v %v", v, err)
	}
}

func TestAnEphemeralReplyShowsOnlyInALivingThread(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	root := s.Mention("C1", "U1", "hi")
	dead := s.try(t, "chat.postEphemeral", "channel", "C1", "user", "U1", "text", "x", "thread_ts", root)
	if !dead.OK || !s.Messages("C1")[1].Unseen {
		t.Errorf("%+v", s.Messages("C1"))
	}
	s.Reply("C1", root, "U1", "a reply")
	s.try(t, "chat.postEphemeral", "channel", "C1", "user", "U1", "text", "x", "thread_ts", root)
	if s.Messages("C1")[3].Unseen {
		t.Errorf("%+v", s.Messages("C1")[3])
	}
}
