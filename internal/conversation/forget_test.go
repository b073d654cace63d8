// What /reset forgets stays forgotten.

package conversation_test

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/secret"
	"parley/internal/store"
	"parley/internal/store/storetest"
)

const scope = "slack:A01:T01"

func TestWhatIsForgottenStaysForgotten(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		ring, err := secret.ParseRing(secret.GenerateKey("k"))
		if err != nil {
			t.Fatal(err)
		}
		place := chat.Place{Platform: "slack", Workspace: "T01", Channel: "C1", Thread: "1.1"}
		key := inbox.New(inbox.Options{Client: s.Client, Prefix: "parley", Ring: ring}).ScopeKey
		book := conversation.New(s.Client, ring, key, slog.New(slog.DiscardHandler))
		mark := key(scope, "forgot", place.Conversation())
		load := func() conversation.Transcript {
			transcript, err := book.Load(t.Context(), scope, place)
			if err != nil {
				t.Fatal(err)
			}
			return transcript
		}
		answer := func(to conversation.Transcript, text string) {
			w, err := book.Add(to, conversation.Exchange{Question: "?", Answer: text})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Client.RPush(t.Context(), w[0].Key, w[0].Push).Err(); err != nil {
				t.Fatal(err)
			}
		}
		remembered := func() string {
			var all []string
			for _, e := range load().Exchanges {
				all = append(all, e.Answer)
			}
			return strings.Join(all, ",")
		}
		forget := func() {
			if err := book.Forget(t.Context(), scope, place); err != nil {
				t.Fatal(err)
			}
		}

		answer(load(), "old")
		late := load()
		forget()
		answer(late, "written when it was forgotten")
		// A replica of an older version reads a number there.
		if n, err := s.Client.Get(t.Context(), mark).Int64(); err != nil || n <= 0 || n == math.MaxInt64 {
			t.Errorf("the place's generation is %d, %v", n, err)
		}
		answer(load(), "new")
		if got := remembered(); got != "new" || !load().Forgotten {
			t.Errorf("remembered: %s", got)
		}

		// A thread that is talked in is not older than its last answer.
		if err := s.Client.PExpire(t.Context(), mark, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		load()
		if left := s.Client.PTTL(t.Context(), mark).Val(); left <= conversation.KeepFor {
			t.Errorf("that it was forgotten is known for %s, the transcript lives for %s", left, conversation.KeepFor)
		}

		// Even when nobody knows any more that it was: forgetting again begins anew.
		if err := s.Client.Del(t.Context(), mark).Err(); err != nil {
			t.Fatal(err)
		}
		forget()
		if got := remembered(); got != "" {
			t.Errorf("forgetting again brought back: %s", got)
		}
	})
}
