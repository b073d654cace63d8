// A defect in one part ends that part, not the process and everybody's answers.

package relay

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"parley/internal/chat"
	"parley/internal/provider"
)

type brokenResponder struct{ chat.Responder }

func (brokenResponder) Thinking(context.Context) { panic("the words of a message") }

type brokenEndpoints struct{ Endpoints }

func (brokenEndpoints) Models(context.Context, provider.Provider) ([]provider.Model, error) {
	var none map[string]int
	none["x"] = 1 //nolint:staticcheck // the defect
	return nil, nil
}

func TestADefectInTheSignOfThinkingCostsTheSignOnly(t *testing.T) {
	var log bytes.Buffer
	_, end := showThinking(t.Context(), brokenResponder{}, slog.New(slog.NewTextHandler(&log, nil)).With("ref", "ref-00000001"))
	end()
	if got := log.String(); !strings.Contains(got, "ref=ref-00000001") || !strings.Contains(got, "defect_test.go") || strings.Contains(got, "the words of a message") {
		t.Errorf("the log says %s", got)
	}
}

func TestADefectInListingModelsIsAFailedListing(t *testing.T) {
	var log bytes.Buffer
	c := newCatalog(brokenEndpoints{}, slog.New(slog.NewTextHandler(&log, nil)))
	p := provider.Provider{ID: "lab", Models: provider.Models{Discover: true}}
	for range 2 { // the second is within catalogAgain
		if got := c.models(t.Context(), p); len(got) != 0 {
			t.Errorf("models %v", got)
		}
	}
	if got := log.String(); strings.Count(got, "listing an endpoint's models failed") != 1 || !strings.Contains(got, "ref=ref-") || !strings.Contains(got, "nil map") {
		t.Errorf("the log says %s", got)
	}
}
