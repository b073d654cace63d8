package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"parley/internal/audit"
	"parley/internal/audit/audittest"
	"parley/internal/chat"
	"parley/internal/provider"
	"parley/internal/registry"
	"parley/internal/secret"
)

const registryBase = "test:{registry}:"

// line is an entry in few words.
func line(e audit.Entry) string {
	out := fmt.Sprintf("%s/%s %s %s %s", e.Via, e.User, e.Action, e.Target, strings.Join(e.Fields, ","))
	for _, field := range e.Fields {
		if v := e.Values[field]; v != "" {
			out += " " + field + "=" + v
		}
	}
	return out
}

func TestEveryChangeHasAnAuthor(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		o := options(t, c, key)
		filed := corp()
		filed.ID = ""
		o.File, o.FileDigest = map[string]provider.Provider{"filed": filed}, "one"
		r := open(t, o)
		thread := chat.Place{Platform: "irc", Workspace: "W", Channel: "C1", Thread: "T1"}
		ada := chat.PersonAt(thread, chat.Author{ID: "U1", Name: "Ada"})
		token, session := chat.Actor{Kind: chat.ByToken}, chat.Actor{Kind: chat.BySession}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		choice := &registry.Choice{Provider: "corp-gateway", Model: "gpt-4o"}
		_, _, err := r.Revise(t.Context(), ada, registry.Revision{Provider: corp(), Mode: registry.Add})
		must(err)
		renamed := corp()
		renamed.Name = "Renamed"
		for range 2 { // the second changes nothing
			_, _, err = r.Revise(t.Context(), token, registry.Revision{Provider: renamed})
			must(err)
		}
		must(r.SetDefault(t.Context(), session, "helper", choice))
		must(r.SetDefault(t.Context(), session, "helper", choice))
		must(r.SetDefault(t.Context(), session, "helper", &registry.Choice{Provider: "corp-gateway", Model: "mini"}))
		must(r.SetDefault(t.Context(), session, "helper", nil))
		must(r.Choose(t.Context(), ada, "helper", thread, choice))
		must(r.Choose(t.Context(), ada, "helper", thread, choice))
		must(r.Choose(t.Context(), ada, "helper", thread, nil))
		must(r.GiveTo(t.Context(), ada, "helper", thread, "coder"))
		_, err = r.Remove(t.Context(), ada, "corp-gateway")
		must(err)
		_, err = r.Remove(t.Context(), ada, "corp-gateway")
		must(err)
		must(r.Learn(t.Context(), "filed", "gpt-4o", provider.Quirks{Drop: []string{"stop"}}))
		o.File, o.FileDigest = map[string]provider.Provider{}, "two"
		open(t, o)

		all := "addParams,apiKey,apiStyle,dropParams,endpoint,endpoints,extraHeaders,maxConcurrent,maxInput,models,name,preset,pricing,proxy,silenceTimeout,tls,source"
		want := []string{
			"file/ provider.put filed " + all + " source=file",
			"irc/U1 provider.put corp-gateway " + all + " source=custom",
			"api/ provider.put corp-gateway name",
			"api/ bot.default helper provider,model provider=corp-gateway model=gpt-4o",
			"api/ bot.default helper model model=mini",
			"api/ bot.default helper provider,model",
			"irc/U1 model.choose C1/T1 provider,model provider=corp-gateway model=gpt-4o",
			"irc/U1 model.choose C1/T1 provider,model",
			"irc/U1 settings.put C1/T1 bot bot=coder",
			"irc/U1 provider.remove corp-gateway ",
			"file/ provider.remove filed ",
		}
		var got []string
		for _, e := range audittest.Read(t, c, registryBase) {
			got = append(got, line(e))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the trail is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		stored := strings.Join(c.LRange(t.Context(), registryBase+"audit", 0, -1).Val(), "\n")
		for _, hidden := range []string{apiKey, headerKey, "proxy-secret", "Ada", "llm.corp.example"} {
			if strings.Contains(stored, hidden) {
				t.Errorf("the trail holds %q", hidden)
			}
		}
	})
}

// A provider that asks its endpoint for models and names some has two stored fields
// that the API shows as one.
func TestOnlyWhatChangedIsNamed(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		p := corp()
		p.Models.Discover = true
		for i := range 20 {
			p.Name = fmt.Sprint("Gateway ", i)
			if _, err := put(t, r, p); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range audittest.Read(t, c, registryBase)[1:] {
			if got := strings.Join(e.Fields, ","); got != "name" {
				t.Fatalf("a new name changed %s", got)
			}
		}
	})
}

func TestARotatedKeyIsInTheTrail(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		before, after := secret.GenerateKey("old"), secret.GenerateKey("new")
		if _, err := put(t, open(t, options(t, c, before)), corp()); err != nil {
			t.Fatal(err)
		}
		o := options(t, c, after)
		o.Ring = ring(t, after, before)
		open(t, o)
		entries := audittest.Read(t, c, registryBase)
		if last := line(entries[len(entries)-1]); last != "system/ key.rotate  providers" {
			t.Errorf("the last entry is %q", last)
		}
	})
}

// A change that is refused leaves no entry, and neither is one left without its
// change when two replicas compete.
func TestEntriesAndChangesGoTogether(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		key := newKey()
		var wg sync.WaitGroup
		for range 3 {
			r := open(t, options(t, c, key))
			wg.Go(func() {
				for i := range 5 {
					p := corp()
					p.ID = fmt.Sprintf("p-%d", i)
					for {
						_, _, err := r.Revise(t.Context(), somebody(), registry.Revision{Provider: p, Mode: registry.Add})
						if _, taken := errors.AsType[*registry.TakenError](err); err == nil || taken {
							break
						}
						if !errors.Is(err, registry.ErrBusy) {
							t.Error(err)
							return
						}
					}
				}
			})
		}
		wg.Wait()
		if got := audittest.Read(t, c, registryBase); len(got) != 5 {
			t.Errorf("%d entries of 5 changes", len(got))
		}
	})
}

// A replica of an earlier release changes things without entries; those of this
// one go on.
func TestAnEarlierReplicaHarmsNoChain(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		r := open(t, options(t, c, newKey()))
		p := chat.Place{Platform: "irc", Channel: "C1"}
		choice := &registry.Choice{Provider: "corp-gateway", Model: "gpt-4o"}
		if err := r.Choose(t.Context(), somebody(), "helper", p, choice); err != nil {
			t.Fatal(err)
		}
		if err := c.HDel(t.Context(), registryBase+"bindings:helper", p.Conversation()).Err(); err != nil { // what it does for /model reset
			t.Fatal(err)
		}
		if err := c.Set(t.Context(), registryBase+"version", "9999999999999", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if err := r.Choose(t.Context(), somebody(), "helper", p, choice); err != nil {
			t.Fatal(err)
		}
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		if got := audittest.Read(t, c, registryBase); len(got) != 3 {
			t.Errorf("%+v", got)
		}
	})
}

func TestTheTrailEndsWithAuditKeep(t *testing.T) {
	each(t, func(t *testing.T, c redis.UniversalClient) {
		o := options(t, c, newKey())
		o.AuditKeep = 1 // nanosecond
		r := open(t, o)
		if _, err := put(t, r, corp()); err != nil {
			t.Fatal(err)
		}
		until(t, "the entry is gone", func() bool {
			if err := r.Trail().Trim(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(audittest.Read(t, c, registryBase)) == 0
		})
	})
}
