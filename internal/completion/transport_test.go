package completion

import (
	"errors"
	"net/http"
	"testing"

	"parley/internal/fake/openai"
)

func TestAnExplicitProxyIsUsedAndCannotReachWhatIsBlocked(t *testing.T) {
	srv := openai.New(t)
	used := 0
	proxy := quietServer(t, func(w http.ResponseWriter, r *http.Request) {
		used++
		out, err := http.NewRequestWithContext(r.Context(), r.Method, srv.Endpoint(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		resp, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		_ = resp.Write(w)
	})
	c := loopbackClient(t)
	plain, err := c.transports.make("", nil)
	if err != nil || plain.Proxy != nil {
		t.Errorf("without the setting nothing may choose a proxy, the environment least of all: %v", err)
	}
	p := record("http://169.254.169.254/v1/chat/completions")
	p.Proxy = proxy.URL
	for _, err := range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindBlocked {
			t.Errorf("metadata through the proxy: %v", err)
		}
	}
	if used != 0 {
		t.Error("the proxy was asked for a blocked address")
	}
	p.Endpoint = srv.Endpoint()
	for range c.Stream(t.Context(), p, Request{Model: "m", Retry: Retry{Max: -1}}) {
	}
	if used != 1 {
		t.Errorf("the proxy was used %d times", used)
	}
}
