package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/telemetry"
)

func TestAnOutageIsOneLineAndItsEndAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		o := telemetry.NewOutage(slog.New(slog.NewTextHandler(&out, nil)), "it fails", "it works again")
		lines := func(want int, last ...string) {
			t.Helper()
			all := strings.Split(strings.TrimSpace(out.String()), "\n")
			if out.Len() == 0 {
				all = nil
			}
			if len(all) != want {
				t.Fatalf("%d lines, want %d: %s", len(all), want, out.String())
			}
			for _, part := range last {
				if !strings.Contains(all[want-1], part) {
					t.Errorf("%q is missing in %s", part, all[want-1])
				}
			}
		}
		o.Note(t.Context(), nil)
		lines(0)
		for range 50 {
			o.Note(t.Context(), errors.New("connection refused"), "call", "auth.test")
			time.Sleep(time.Second)
		}
		lines(1, "level=WARN", "it fails", "connection refused", "auth.test")
		o.Note(t.Context(), nil)
		o.Note(t.Context(), nil)
		lines(2, "level=INFO", "it works again", "after=50s", "failures=50")
		for range 70 {
			o.Note(t.Context(), errors.New("connection refused"))
			time.Sleep(10 * time.Second)
		}
		lines(4) // it is told again after ten minutes
	})
}
