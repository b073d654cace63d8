// Stores that earlier versions have written are read, for good; stores of later
// ones are refused in a sentence.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/fake/openai"
	"parley/internal/inbox"
	"parley/internal/registry"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
	"parley/internal/stream"
)

// written is what testdata/schema-1 says about itself.
type written struct {
	Answered, Half string // threads in the playground's general channel
	Written        time.Time
}

// restore gives the world the store in testdata/schema-1.
func (w *world) restore(kind string) written {
	w.t.Helper()
	from := filepath.Join("testdata", "schema-1", kind)
	var about written
	text, err := os.ReadFile(filepath.Join(from, "written.json"))
	if err == nil {
		err = json.Unmarshal(text, &about)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if kind == "embedded" {
		storetest.RestoreEmbedded(w.t, from, w.env["DATA_DIR"], about.Written)
		return about
	}
	w.useRedis()
	line, err := os.ReadFile(filepath.Join("testdata", "schema-1", "embedded", "master.key"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.env["MASTER_KEYS"] = strings.TrimSpace(string(line))
	storetest.RestoreRedis(w.t, storetest.Open(w.t, w.env["REDIS_URL"]).Client, filepath.Join(from, "keys.jsonl"), about.Written)
	return about
}

// say writes in a thread of the playground's general channel, or in a channel.
func (s *server) say(channel, thread, text string) {
	s.w.t.Helper()
	form := url.Values{"channel": {channel}, "thread": {thread}, "text": {text}}
	r, err := http.NewRequestWithContext(s.w.t.Context(), http.MethodPost, "http://"+s.addr+"/playground/post", strings.NewReader(form.Encode()))
	if err != nil {
		s.w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+adminToken)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.w.t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		s.w.t.Fatalf("say: %d %s", answer.StatusCode, body)
	}
}

func TestAStoreOfSchema1IsReadForGood(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"embedded", "redis"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			about := w.restore(kind)
			const half = "Half of the answer stands here. "
			w.model.Func(func(r openai.Request) openai.Reply {
				if strings.Contains(r.Prompt(), "half") {
					return openai.Reply{Text: half + "And now all of it."}
				}
				return openai.Reply{Text: fmt.Sprintf("%s answers %s.", r.Model, r.Prompt())}
			})
			s := w.start()

			thread := func(id, want string) string {
				t.Helper()
				var body string
				w.until("the thread shows "+want, func() bool {
					_, body = s.get("/playground/c/general/t/" + id)
					return strings.Contains(body, want)
				})
				return body
			}
			// The answer that stood in half goes on in its own message, and the
			// question behind it is answered by the bot's default.
			thread(about.Half, "m2 answers queued question.")
			if page := thread(about.Half, "And now all of it."); strings.Count(page, "Half of the answer") != 1 {
				t.Error("the half answer stands beside the whole one")
			}
			// A thread keeps its model and what was said in it.
			s.say("C-general", about.Answered, "second question")
			thread(about.Answered, "m1 answers second question.")
			last := w.requestFor("second question")
			if text := fmt.Sprint(last.Messages); !strings.Contains(text, "first question") || !strings.Contains(text, "Answer to first question.") {
				t.Errorf("what was said before is not remembered: %s", text)
			}
			w.recordsOfSchema1(s)
			s.stop()
			w.sealedOfSchema1(kind)
		})
	}
}

// requestFor is the request to the model with this question.
func (w *world) requestFor(question string) openai.Request {
	w.t.Helper()
	for _, r := range w.model.Requests() {
		if strings.Contains(r.Prompt(), question) {
			return r
		}
	}
	w.t.Fatalf("the model was not asked %q", question)
	return openai.Request{}
}

// recordsOfSchema1 looks at what the admin API shows.
func (w *world) recordsOfSchema1(s *server) {
	w.t.Helper()
	corp := s.do(http.MethodGet, "/api/v1/providers/corp", nil, http.StatusOK)
	for _, part := range []string{`"apiKey": "set"`, `"X-Corp": "set"`, `"maxInput": 8192`, `"seed": 7`, `"max_tokens"`, `"c2"`} {
		if !strings.Contains(corp, part) {
			w.t.Errorf("of the record is missing %s: %s", part, corp)
		}
	}
	if bot := s.do(http.MethodGet, "/api/v1/bots/helper", nil, http.StatusOK); !strings.Contains(bot, `"model": "m2"`) {
		w.t.Errorf("the bot's default is lost: %s", bot)
	}
	usage := s.do(http.MethodGet, "/api/v1/usage?by=day&since=2026-11-29&until=2026-11-29", nil, http.StatusOK)
	if !strings.Contains(usage, "2026-11-29") {
		w.t.Errorf("the usage of that day is lost: %s", usage)
	}
}

// sealedOfSchema1 looks at what no page shows, and that the store says what it
// is now.
func (w *world) sealedOfSchema1(kind string) {
	w.t.Helper()
	ctx, t := w.t.Context(), w.t
	ring, err := store.Ring(w.env["DATA_DIR"], w.env["MASTER_KEYS"], kind == "embedded")
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(ctx, store.Options{URL: w.env["REDIS_URL"], DataDir: w.env["DATA_DIR"]})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	reg, err := registry.Open(ctx, registry.Options{Client: st.Client, Prefix: "parley", Ring: ring, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := reg.Provider("corp"); e.APIKey.Reveal() != "sk-corp-fixture" || e.ExtraHeaders["X-Corp"].Reveal() != "header-fixture" {
		t.Errorf("the record's secrets do not open: %q", e.Problem)
	}
	for _, p := range []chat.Place{{Platform: "slack", Workspace: "T0TEAM", Channel: "C1"}, {Platform: "playground", Channel: "C-random"}} {
		if c, bound, err := reg.Choice(ctx, "helper", p); err != nil || !bound || c.Provider != "corp" {
			t.Errorf("%s is bound to %+v: %v, %v", p.Conversation(), c, bound, err)
		}
	}
	memo := budgets{store.NewMemo(st, "parley", ring)}
	if l, found, err := memo.Load(ctx, "slack:update:fixture"); err != nil || !found || l.Rate != 0.75 || l == (stream.Learned{}) {
		t.Errorf("what was learned of a limit: %+v %v %v", l, found, err)
	}
	in := inbox.New(inbox.Options{Client: st.Client, Prefix: "parley", Ring: ring})
	scopes, err := in.Scopes(ctx)
	if err != nil || len(scopes) != 3 {
		t.Errorf("scopes %v, %v", scopes, err)
	}
	for _, scope := range scopes {
		if n := st.Client.XLen(ctx, in.ScopeKey(scope, "events")).Val(); n != 0 {
			t.Errorf("%d messages of %s wait", n, scope)
		}
	}
	if v := st.Client.HGet(ctx, "parley:{store}:schema", "version").Val(); v != fmt.Sprint(store.Schema) {
		t.Errorf("the store says that it is of schema %q", v)
	}
}

func TestANewerStoreIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env["REDIS_URL"], w.env["MASTER_KEYS"] = storetest.Redis(t), secret.GenerateKey("test")
	st := storetest.Open(t, w.env["REDIS_URL"])
	if err := st.Client.HSet(t.Context(), "parley:{store}:schema", "version", 99, "release", "v9.9.0").Err(); err != nil {
		t.Fatal(err)
	}
	said := startRefused(t, w.dir, w.env)
	for _, part := range []string{"schema is 99", "start parley v9.9.0 or newer"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is missing in %s", part, said)
		}
	}
	if n := len(st.Client.Keys(t.Context(), "*").Val()); n != 1 {
		t.Errorf("%d keys: something was written into a store that is not understood", n)
	}
}
