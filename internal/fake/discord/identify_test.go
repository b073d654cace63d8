package discord

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// identified connects and identifies, as a shard if one is named.
func (s *Server) identified(t *testing.T, shard ...int) *websocket.Conn {
	t.Helper()
	ws := dial(t, "ws://"+s.addr+"/gateway?v=10&encoding=json")
	next(t, ws)
	d := map[string]any{
		"token": s.Token(), "intents": intentGuilds | intentGuildMessages | intentDirectMessages,
		"properties": map[string]string{"os": "l", "browser": "t", "device": "t"},
	}
	if shard != nil {
		d["shard"] = shard
	}
	if err := ws.WriteJSON(map[string]any{"op": opIdentify, "d": d}); err != nil {
		t.Fatal(err)
	}
	return ws
}

func TestAShardHearsOfItsOwnGuildsAlone(t *testing.T) {
	s := start(t, Options{NoGuild: true, GuildsPerSession: 1, Identify: IdentifyLimits{Window: time.Nanosecond}})
	guilds := []string{s.InviteOn(0, 2, "owner", "even"), s.InviteOn(1, 2, "owner", "odd")}
	shards := []*websocket.Conn{s.identified(t, 0, 2), s.identified(t, 1, 2)}
	for id, ws := range shards {
		next(t, ws) // READY
		f, _ := next(t, ws)
		if g, _ := f["d"].(map[string]any); f["t"] != "GUILD_CREATE" || g["id"] != guilds[id] {
			t.Errorf("shard %d began with %v", id, f)
		}
	}
	direct, even, odd := s.DM("ann", "to the bot"), s.Say("even", "ann", "one"), s.Say("odd", "ann", "two")
	for id, want := range [][]string{{direct, even}, {odd}} {
		for _, message := range want {
			f, _ := next(t, shards[id])
			if m, _ := f["d"].(map[string]any); m["id"] != message {
				t.Errorf("shard %d got %v, want message %s", id, f, message)
			}
		}
	}
}

func TestABotInTooManyGuildsMustShard(t *testing.T) {
	s := start(t, Options{NoGuild: true, GuildsPerSession: 1, Identify: IdentifyLimits{Window: time.Nanosecond}})
	s.InviteOn(0, 2, "owner", "even")
	s.InviteOn(1, 2, "owner", "odd")
	if _, code := next(t, s.identified(t)); code != 4011 {
		t.Errorf("one session for two guilds was closed with %d, want 4011", code)
	}
	if f, code := next(t, s.identified(t, 1, 2)); f["t"] != "READY" {
		t.Errorf("one of two shards: %v %d", f, code)
	}
	if _, body, _ := call(t, s, "GET", "/gateway/bot", ""); body["shards"] != float64(2) {
		t.Errorf("/gateway/bot says %v", body)
	}
}

func TestIdentifiesAreCountedByBucket(t *testing.T) {
	s := start(t, Options{Identify: IdentifyLimits{MaxConcurrency: 2, Window: time.Hour}})
	for _, one := range []struct {
		shard int
		want  string // "": an invalid session
	}{{0, "READY"}, {1, "READY"}, {2, ""}, {3, ""}} {
		f, _ := next(t, s.identified(t, one.shard, 4))
		if event, _ := f["t"].(string); event != one.want {
			t.Errorf("shard %d: %v, want %q", one.shard, f, one.want)
		}
	}
}
