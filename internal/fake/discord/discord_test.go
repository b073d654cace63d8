package discord

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// call makes a REST call as the first app's bot.
func call(t *testing.T, s *Server, method, path, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.APIURL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bot "+s.Token())
	req.Header.Set("User-Agent", "DiscordBot (https://test.invalid, 1)")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]any{}
	if len(bytes.TrimSpace(data)) > 0 && data[0] == '{' {
		if err := json.Unmarshal(data, &out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode, out, res.Header
}

func TestWhatDiscordRefusesIsRefused(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	path := "/channels/" + s.ChannelID("general") + "/messages"
	rows := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"type":1,"components":[{"type":2,"style":2,"label":"x","custom_id":"%d"}]},`, n), ",") + "]"
	}
	ids := make([]any, 6)
	for i := range ids {
		ids[i] = i
	}
	for name, one := range map[string]struct {
		body string
		code float64
	}{
		"fine":                    {`{"content":"hi","allowed_mentions":{"parse":[]},"nonce":"n","enforce_nonce":true,"components":[]}`, 0},
		"2,000 code points":       {fmt.Sprintf(`{"content":%q}`, strings.Repeat("ü", 2000)), 0},
		"2,001":                   {fmt.Sprintf(`{"content":%q}`, strings.Repeat("x", 2001)), 50035},
		"empty":                   {`{"content":"  "}`, 50006},
		"unknown field":           {`{"content":"x","contents":"y"}`, 50035},
		"wrong type":              {`{"content":17}`, 50035},
		"nonce too long":          {`{"content":"x","nonce":"12345678901234567890123456"}`, 50035},
		"parse and list":          {`{"content":"x","allowed_mentions":{"parse":["users"],"users":["1"]}}`, 50035},
		"unknown mention type":    {`{"content":"x","allowed_mentions":{"parse":["all"]}}`, 50035},
		"five rows":               {fmt.Sprintf(`{"content":"x","components":`+rows(5)+`}`, ids[:5]...), 0},
		"six rows":                {fmt.Sprintf(`{"content":"x","components":`+rows(6)+`}`, ids...), 50035},
		"custom id twice":         {fmt.Sprintf(`{"content":"x","components":`+rows(2)+`}`, 1, 1), 50035},
		"label in a message":      {`{"content":"x","components":[{"type":18,"label":"x","component":{"type":4,"custom_id":"a","style":1}}]}`, 50035},
		"reply to nothing":        {`{"content":"x","message_reference":{"message_id":"17"}}`, 50035},
		"reply to nothing, loose": {`{"content":"x","message_reference":{"message_id":"17","fail_if_not_exists":false}}`, 0},
		"no JSON":                 {`{`, 50035},
	} {
		status, body, _ := call(t, s, "POST", path, one.body)
		if code, _ := body["code"].(float64); code != one.code || (status == 200) != (one.code == 0) {
			t.Errorf("%s: %d %v, want code %v", name, status, body, one.code)
		}
	}
	for path, want := range map[string]int{"/channels/1/messages": 404, "/nowhere": 404, "/applications/1/commands": 403} {
		if status, _, _ := call(t, s, "GET", path, ""); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
}

func TestWhoIsPinged(t *testing.T) {
	s := start(t, Options{Limits: Limits{Off: true}})
	ann := s.UserID("ann")
	asked := s.Say("general", "ann", "question")
	path := "/channels/" + s.ChannelID("general") + "/messages"
	for name, one := range map[string]struct {
		body string
		want []string
	}{
		"the default pings all":    {`{"content":"<@%s> @everyone"}`, []string{ann, "everyone"}},
		"a reply pings by default": {`{"content":"x","message_reference":{"message_id":"` + asked + `"}}`, []string{ann}},
		"nobody":                   {`{"content":"<@%s> @everyone","allowed_mentions":{"parse":[]},"message_reference":{"message_id":"` + asked + `"}}`, nil},
		"only users":               {`{"content":"<@%s> @everyone","allowed_mentions":{"parse":["users"]}}`, []string{ann}},
		"parse null is not none":   {`{"content":"<@%s>","allowed_mentions":{"parse":null}}`, []string{ann}},
	} {
		_, body, _ := call(t, s, "POST", path, strings.ReplaceAll(one.body, "%s", ann))
		frames := s.Timeline(fmt.Sprint(body["id"]))
		if len(frames) != 1 || fmt.Sprint(frames[0].Pings) != fmt.Sprint(one.want) {
			t.Errorf("%s: %+v, want %v", name, frames, one.want)
		}
	}
}

func TestANonceMakesOneMessage(t *testing.T) {
	s := start(t, Options{})
	path := "/channels/" + s.ChannelID("general") + "/messages"
	_, first, _ := call(t, s, "POST", path, `{"content":"a","nonce":"n","enforce_nonce":true}`)
	_, second, _ := call(t, s, "POST", path, `{"content":"b","nonce":"n","enforce_nonce":true}`)
	_, third, _ := call(t, s, "POST", path, `{"content":"c","nonce":"n"}`)
	if first["id"] != second["id"] || first["id"] == third["id"] || second["content"] != "a" {
		t.Errorf("%v %v %v", first["id"], second["id"], third["id"])
	}
	s.Age(fmt.Sprint(first["id"]), 6*time.Minute)
	s.Age(fmt.Sprint(third["id"]), 6*time.Minute)
	if _, fourth, _ := call(t, s, "POST", path, `{"content":"d","nonce":"n","enforce_nonce":true}`); fourth["content"] != "d" {
		t.Error("a nonce is remembered for longer than minutes")
	}
}

func TestLimitsAreThoseOfTheHeaders(t *testing.T) {
	s := start(t, Options{Limits: Limits{Window: time.Minute}})
	path := "/channels/" + s.ChannelID("general") + "/messages"
	for n := range 5 {
		status, _, h := call(t, s, "POST", path, `{"content":"x"}`)
		if status != 200 || h.Get("X-RateLimit-Remaining") != fmt.Sprint(4-n) || h.Get("X-RateLimit-Limit") != "5" || h.Get("X-RateLimit-Bucket") == "" {
			t.Errorf("call %d: %d %v", n, status, h)
		}
	}
	status, body, h := call(t, s, "POST", path, `{"content":"x"}`)
	if status != 429 || body["global"] != false || body["retry_after"].(float64) < 50 || h.Get("X-RateLimit-Scope") != "user" || h.Get("Retry-After") == "" {
		t.Errorf("the sixth: %d %v %v", status, body, h)
	}
	if status, _, _ = call(t, s, "POST", "/channels/"+s.ChannelID("other")+"/messages", `{"content":"x"}`); status != 200 {
		t.Errorf("another channel: %d", status)
	}
	global := start(t, Options{Limits: Limits{Global: 3}})
	for range 3 {
		call(t, global, "GET", "/users/@me", "")
	}
	if status, body, h = call(t, global, "GET", "/users/@me", ""); status != 429 || body["global"] != true || h.Get("X-RateLimit-Scope") != "global" {
		t.Errorf("the global limit: %d %v %v", status, body, h)
	}
	ban := start(t, Options{Limits: Limits{BanAfter: 2}})
	for range 2 {
		call(t, ban, "GET", "/applications/1/commands", "")
	}
	if status, _, h = call(t, ban, "GET", "/users/@me", ""); status != 429 || !strings.Contains(h.Get("Content-Type"), "html") {
		t.Errorf("after the ban: %d %v", status, h)
	}
}

// dial opens a gateway connection and reads HELLO.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	ws, res, err := websocket.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// next reads a frame, or the code the connection was closed with.
func next(t *testing.T, ws *websocket.Conn) (map[string]any, int) {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
	var f map[string]any
	err := ws.ReadJSON(&f)
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return nil, closed.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, 0
}

func TestTheGatewaysCloseCodes(t *testing.T) {
	s := start(t, Options{Apps: []AppOptions{{Name: "A"}, {Name: "B", NoMessageContent: true}}})
	identify := func(token string, intents int, extra string) string {
		return fmt.Sprintf(`{"op":2,"d":{"token":%q,"intents":%d,"properties":{"os":"linux","browser":"t","device":"t"}%s}}`, token, intents, extra)
	}
	base := "ws://" + s.addr + "/gateway"
	for name, one := range map[string]struct {
		query, send string
		want        int
	}{
		"version":          {"?v=9&encoding=json", "", 4012},
		"no JSON":          {"?v=10&encoding=json", "hello", 4002},
		"opcode":           {"?v=10&encoding=json", `{"op":99,"d":null}`, 4001},
		"presence first":   {"?v=10&encoding=json", `{"op":3,"d":{}}`, 4003},
		"token":            {"?v=10&encoding=json", identify("wrong", 1, ""), 4004},
		"shard":            {"?v=10&encoding=json", identify(s.Token(), 1, `,"shard":[2,1]`), 4010},
		"shard of none":    {"?v=10&encoding=json", identify(s.Token(), 1, `,"shard":[0,0]`), 4010},
		"half a shard":     {"?v=10&encoding=json", identify(s.Token(), 1, `,"shard":[0]`), 4010},
		"intents":          {"?v=10&encoding=json", identify(s.Token(), 1<<40, ""), 4013},
		"privileged":       {"?v=10&encoding=json", identify(s.App("B").Token, 1<<15, ""), 4014},
		"no properties":    {"?v=10&encoding=json", `{"op":2,"d":{"token":"x","intents":1}}`, 4002},
		"resume elsewhere": {"?v=10&encoding=json", `{"op":6,"d":{"token":"wrong","session_id":"1","seq":1}}`, 4004},
	} {
		s.mu.Lock()
		for _, a := range s.apps {
			a.starts = nil
		}
		s.mu.Unlock()
		ws := dial(t, base+one.query)
		if one.want != 4012 {
			if f, _ := next(t, ws); f["op"] != float64(10) {
				t.Errorf("%s: the first frame is %v", name, f)
			}
			if err := ws.WriteMessage(websocket.TextMessage, []byte(one.send)); err != nil {
				t.Fatal(err)
			}
		}
		if f, code := next(t, ws); code != one.want {
			t.Errorf("%s: closed with %d (%v), want %d", name, code, f, one.want)
		}
	}
}

func TestAResumeReplaysWhatWasMissed(t *testing.T) {
	s := start(t, Options{})
	ws := dial(t, "ws://"+s.addr+"/gateway?v=10&encoding=json")
	next(t, ws)
	_ = ws.WriteJSON(map[string]any{"op": 2, "d": map[string]any{"token": s.Token(), "intents": 1 | 1<<9, "properties": map[string]string{"os": "l", "browser": "t", "device": "t"}}})
	ready, _ := next(t, ws)
	d := ready["d"].(map[string]any)
	if ready["t"] != "READY" || d["resume_gateway_url"] == "" || strings.Contains(d["resume_gateway_url"].(string), s.addr) {
		t.Fatalf("READY: %v", ready)
	}
	if f, _ := next(t, ws); f["t"] != "GUILD_CREATE" {
		t.Fatalf("after READY: %v", f)
	}
	_ = ws.NetConn().Close()
	first, second := s.Say("general", "ann", "one"), s.Say("general", "ann", "two")
	again := dial(t, d["resume_gateway_url"].(string)+"/?v=10&encoding=json")
	next(t, again)
	_ = again.WriteJSON(map[string]any{"op": 6, "d": map[string]any{"token": s.Token(), "session_id": d["session_id"], "seq": 2}})
	for _, want := range []string{first, second} {
		f, _ := next(t, again)
		m, _ := f["d"].(map[string]any)
		// Without the Message Content intent the text of others is kept back.
		if f["t"] != "MESSAGE_CREATE" || m["id"] != want || m["content"] != "" {
			t.Errorf("replayed: %v", f)
		}
	}
	if f, _ := next(t, again); f["t"] != "RESUMED" {
		t.Errorf("after the replay: %v", f)
	}
	_ = again.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	if err := s.Wait(t.Context(), func() bool { return !s.Connections()[1].Closed.IsZero() }); err != nil {
		t.Fatal(err)
	}
	third := dial(t, d["resume_gateway_url"].(string)+"/?v=10&encoding=json")
	next(t, third)
	_ = third.WriteJSON(map[string]any{"op": 6, "d": map[string]any{"token": s.Token(), "session_id": d["session_id"], "seq": 2}})
	if f, _ := next(t, third); f["op"] != float64(9) || f["d"] != false {
		t.Errorf("a session closed with 1000 was answered with %v, want op 9", f)
	}
}

func TestIdentifyingTooOftenCostsTheToken(t *testing.T) {
	s := start(t, Options{Identify: IdentifyLimits{Total: 1}})
	for n, want := range []int{0, 4004, 4004} {
		ws := dial(t, "ws://"+s.addr+"/gateway?v=10&encoding=json")
		next(t, ws)
		_ = ws.WriteJSON(map[string]any{"op": 2, "d": map[string]any{"token": s.Token(), "intents": 1, "properties": map[string]string{"os": "l", "browser": "t", "device": "t"}}})
		if f, code := next(t, ws); code != want {
			t.Errorf("IDENTIFY %d: %v %d, want %d", n, f, code, want)
		}
	}
	if status, _, _ := call(t, s, "GET", "/users/@me", ""); status != 401 {
		t.Errorf("the old token still works: %d", status)
	}
}
