package webhook

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func TestABodyIsReadUpToABound(t *testing.T) {
	whole := strings.Repeat("x", Largest)
	for name, c := range map[string]struct {
		body io.Reader
		want int
	}{
		"small": {strings.NewReader("{}"), 200}, "largest": {strings.NewReader(whole), 200}, "larger": {strings.NewReader(whole + "x"), 413},
		"broken": {iotest.ErrReader(errors.New("gone")), 400},
	} {
		w := httptest.NewRecorder()
		body, ok := Read(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", c.body))
		if w.Code != c.want || ok != (c.want == 200) || ok && len(body) == 0 {
			t.Errorf("%s: %d, %v with %d bytes", name, w.Code, ok, len(body))
		}
	}
}

func TestAnAnswerIsJSONOfAKnownLength(t *testing.T) {
	w := httptest.NewRecorder()
	Answer(w, map[string]string{"a": "<b>"})
	if w.Code != 200 || w.Body.String() != `{"a":"\u003cb\u003e"}` || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Content-Length") != "21" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	if Answer(w, func() {}); w.Code != http.StatusInternalServerError {
		t.Errorf("%d for what is no JSON", w.Code)
	}
}
