package console_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"parley/adapters/discord"
	"parley/internal/chat"
	"parley/internal/console"
	"parley/internal/door/doortest"
)

// list is the servers of a bot, one of them named in its file.
type list struct {
	ids []string
	by  []chat.ActorKind
	err error
}

func (*list) Platform() chat.Platform { return discord.Platform() }

func (l *list) Guilds(context.Context, string) ([]chat.Guild, error) {
	out := []chat.Guild{{ID: "11111111111111111", Name: "Home", Source: "file"}}
	for _, id := range l.ids {
		out = append(out, chat.Guild{ID: id, Source: "admitted"})
	}
	return out, l.err
}

func (l *list) AdmitGuild(_ context.Context, by chat.Actor, _, guild string) (bool, error) {
	l.by = append(l.by, by.Kind)
	if l.err == nil {
		l.ids = append(l.ids, guild)
	}
	return true, l.err
}

func (l *list) RemoveGuild(_ context.Context, by chat.Actor, _, guild string) error {
	l.by = append(l.by, by.Kind)
	if guild == "11111111111111111" {
		return &chat.NamedInFile{File: "helper.yaml"}
	}
	return chat.ErrNotTrusted
}

func TestDiscordServersOverTheAPI(t *testing.T) {
	guilds := &list{}
	b := newBench(t, func(o *console.Options) { o.Guilds = guilds })
	const path = "/api/v1/bots/helper/guilds"
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", path, 200, `"source": "file"`},
		{"PUT", path + "/22222222222222222", 201, `"id": "22222222222222222"`},
		{"GET", path + "/22222222222222222", 200, "admitted"},
		{"GET", path + "/33333333333333333", 404, "does not trust"},
		{"PUT", path + "/my-server", 422, "80351110224678912"},
		{"DELETE", path + "/33333333333333333", 404, "does not trust"},
		{"DELETE", path + "/11111111111111111", 409, "helper.yaml"},
		{"POST", path + "/11111111111111111", 405, "DELETE, GET, HEAD, PUT"},
		{"GET", "/api/v1/bots/helpr/guilds", 404, "Did you mean helper?"},
	} {
		if got := b.want(b.do(c.method, c.path, ""), c.status); !strings.Contains(got.Body, c.says) {
			t.Errorf("%s %s lacks %q: %s", c.method, c.path, c.says, got.Body)
		}
	}
	session := doortest.Session(t, b.options.Guard.Door)
	b.want(b.do("PUT", path+"/22222222222222222", "", "Authorization", "", "Cookie", session), 201)
	if want := []chat.ActorKind{chat.ByToken, chat.ByToken, chat.ByToken, chat.BySession}; !slices.Equal(guilds.by, want) {
		t.Errorf("the authors are %v, want %v", guilds.by, want)
	}
	guilds.err = chat.ErrNoApp
	if got := b.want(b.do("GET", path, ""), 404); !strings.Contains(got.Body, "not on Discord, so it has no servers to admit; its file needs discord.token") {
		t.Error(got.Body)
	}
	for err, status := range map[error]int{chat.ErrNoApp: 404, errors.New("the store is away"): 503} {
		guilds.err = err
		for _, method := range []string{"GET", "PUT"} {
			if got := b.want(b.do(method, path+"/44444444444444444", ""), status); strings.Contains(got.Body, "is away") {
				t.Errorf("an inner error is shown: %s", got.Body)
			}
		}
	}
	none := newBench(t)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		none.want(none.do(method, path+"/44444444444444444", ""), 404)
	}
}
