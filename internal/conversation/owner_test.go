// Whose thread it is: neither a reset nor the length of the talk changes that.

package conversation_test

import (
	"log/slog"
	"testing"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

func TestAThreadKeepsItsOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ring, err := secret.ParseRing(secret.GenerateKey("k"))
		if err != nil {
			t.Fatal(err)
		}
		const scope = "slack:A01:T01"
		key := inbox.New(inbox.Options{Client: s.Client, Prefix: "parley", Ring: ring}).ScopeKey
		book := conversation.New(s.Client, ring, key, slog.New(slog.DiscardHandler))
		in := func(thread string) chat.Place {
			return chat.Place{Platform: "slack", Workspace: "T01", Channel: "C1", Thread: thread}
		}
		load := func(thread string) conversation.Transcript {
			transcript, err := book.Load(t.Context(), scope, in(thread))
			if err != nil {
				t.Fatal(err)
			}
			return transcript
		}
		ask := func(thread, who, owner string) {
			w, err := book.Add(load(thread), conversation.Exchange{Author: chat.Author{ID: who}, Question: "?", Answer: "!", Owner: owner})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Client.RPush(t.Context(), w[0].Key, w[0].Push).Err(); err != nil {
				t.Fatal(err)
			}
			if err := s.Client.LTrim(t.Context(), w[0].Key, -3, -1).Err(); err != nil { // as if Keep were 3
				t.Fatal(err)
			}
		}
		reset := func(thread string) {
			if err := book.Forget(t.Context(), scope, in(thread)); err != nil {
				t.Fatal(err)
			}
		}
		owned := func(thread, want, when string) {
			t.Helper()
			if got := load(thread).Owner(); got != want {
				t.Errorf("%s the thread is %q's, want %q", when, got, want)
			}
		}

		owned("1", "", "before anyone asked")
		ask("1", "ann", "")
		for range 5 {
			ask("1", "bob", "")
		}
		owned("1", "ann", "after others asked more than is kept")
		reset("1")
		owned("1", "ann", "after a reset")
		ask("1", "bob", "")
		reset("1")
		reset("1")
		owned("1", "ann", "after another's question and more resets")

		ask("2", "bob", "ann") // the platform says whose it is
		owned("2", "ann", "told by the platform")
		ask("2", "bob", "")
		owned("2", "ann", "told once")

		reset("3")
		ask("3", "bob", "")
		owned("3", "", "reset before anything was known")
	})
}
