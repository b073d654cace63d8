package relay

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"parley/bots"
	"parley/internal/completion"
	"parley/internal/provider"
	"parley/internal/telemetry"
)

var discard = slog.New(slog.DiscardHandler)

// asking is the innermost completer over a client that gives one reply and keeps
// what it was asked.
func asking(r reply, got *completion.Request) modelRequest {
	return modelRequest{
		client: scriptedClient{func(_ context.Context, _ provider.Provider, q completion.Request) iter.Seq2[completion.Delta, error] {
			*got = q
			return r.wire()
		}},
		tracer: noop.NewTracerProvider().Tracer(""),
	}
}

func TestARequestIsMadeOfItsRound(t *testing.T) {
	var got completion.Request
	r := roundOf(t, "?", ofModels("a", "b")...)
	r.messages = []completion.Message{completion.Text("user", "?")}
	r.bot.Params = bots.Params{MaxTokens: new(7)}
	r.question.At = time.Now().Add(-time.Second)
	var heard []string
	r.queued = func(_ context.Context, t target, number int) {
		heard = append(heard, t.String()+strings.Repeat("!", number))
	}

	first := take(t.Context(), asking(words("Yes."), &got), r)
	if first.text != "Yes." || !slices.Equal(first.asked, []string{"lab/a"}) {
		t.Errorf("got %+v", first)
	}
	if got.Model != "a" || got.For != "U1" || !reflect.DeepEqual(got.Messages, r.messages) || *got.Params.MaxTokens != 7 {
		t.Errorf("asked %+v", got)
	}
	want := completion.BeforeFallback()
	want.Until = r.question.At.Add(retryTime)
	if got.Retry != want {
		t.Errorf("while a fallback is left it is tried again by %+v, want %+v", got.Retry, want)
	}
	got.Queued(2)
	if !slices.Equal(heard, []string{"lab/a!!"}) {
		t.Errorf("the queue was told %v", heard)
	}

	r.fallbacks = nil
	take(t.Context(), asking(words("Yes."), &got), r)
	if want := (completion.Retry{Until: r.question.At.Add(retryTime)}); got.Retry != want {
		t.Errorf("the last model is tried again by %+v, want %+v", got.Retry, want)
	}
}

// A platform's clock that is ahead gives no more time, one that is not known the
// usual.
func TestRetriesEndAMinuteAfterTheQuestion(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ asked, want time.Time }{
		{now.Add(-40 * time.Second), now.Add(20 * time.Second)},
		{now.Add(time.Hour), now.Add(time.Minute)},
		{time.Time{}, now.Add(time.Minute)},
	} {
		if got := retryUntil(c.asked, now); !got.Equal(c.want) {
			t.Errorf("asked at %s: %s, want %s", c.asked, got, c.want)
		}
	}
}

func TestTheFirstTokenIsMeasuredAgainAfterWordsAreTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		deltas []completion.Delta
		want   string
	}{
		"words":            {[]completion.Delta{{Reasoning: "hm"}, {Text: "a"}, {Text: "b"}}, "1"},
		"none":             {[]completion.Delta{{Reasoning: "hm"}}, ""},
		"taken back, more": {[]completion.Delta{{Text: "a"}, {Retract: true}, {Text: "b"}}, "2"},
		"in one delta":     {[]completion.Delta{{Text: "a"}, {Retract: true, Text: "b"}, {Text: "c"}}, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			series := telemetry.NewRegistry("test")
			var got completion.Request
			q := asking(reply{deltas: c.deltas}, &got)
			q.metrics = telemetry.NewMetrics(series)
			take(t.Context(), q, roundOf(t, "?", ofModels("a")...))
			if count := scraped(t, telemetry.MetricsHandler(series, discard), `parley_first_token_seconds_count{provider="lab"}`); count != c.want {
				t.Errorf("measured %q times, want %q", count, c.want)
			}
		})
	}
}

// scraped is the value of a series as /metrics shows it, "" where it is not there.
func scraped(t *testing.T, metrics http.Handler, series string) string {
	t.Helper()
	w := httptest.NewRecorder()
	metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestARequestIsLoggedWithItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			reply reply
			want  string
		}{
			"an answer": {reply{deltas: []completion.Delta{{Text: "a"}, {Finish: "stop"}}}, "provider=lab model=a finish=stop took=0s failed=false"},
			"an error":  {words("a").then(errAway), `provider=lab model=a finish="" took=0s failed=true`},
		} {
			var log bytes.Buffer
			var got completion.Request
			r := roundOf(t, "?", ofModels("a")...)
			r.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			take(t.Context(), asking(c.reply, &got), r)
			if !strings.Contains(log.String(), c.want) {
				t.Errorf("%s: the log says %s", name, log.String())
			}
		}
	})
}
