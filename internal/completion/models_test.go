package completion

import (
	"encoding/json"
	"testing"
)

func TestModelListsOfAllKinds(t *testing.T) {
	for raw, want := range map[string]string{
		`{"data":[{"id":"a","max_model_len":4096},{"id":"b"}]}`:       `[{"id":"a","name":"a","maxInput":4096},{"id":"b","name":"b"}]`,
		`{"data":[{"id":"a","meta":{"n_ctx":2048,"n_ctx_train":9}}]}`: `[{"id":"a","name":"a","maxInput":2048}]`,
		`{"data":[{"id":"a","meta":null,"context_window":7}]}`:        `[{"id":"a","name":"a","maxInput":7}]`,
		`{"data":[{"id":"models/g","type":3,"context_length":5}]}`:    `[{"id":"g","name":"g","maxInput":5}]`,
		`[{"name":"models/g","inputTokenLimit":6},"s"]`:               `[{"id":"g","name":"g","maxInput":6},{"id":"s","name":"s"}]`,
		`{"models":["a","a"]}`:                                        `[{"id":"a","name":"a"}]`,
		`{"data":[{"id":"e","type":"embedding"},{"id":""},{}]}`:       `null`,
		`{"data":null}`: `null`,
		`{"data":[{"id":"v","architecture":{"input_modalities":["text","image"]},"pricing":{"prompt":"0.000001","completion":"0.000002"}}]}`: `[{"id":"v","name":"v","pricing":{"input":1,"output":2},"vision":true}]`,
	} {
		list, ok := readModels([]byte(raw))
		got, _ := json.Marshal(list)
		if !ok || string(got) != want {
			t.Errorf("%s: %s (%v), want %s", raw, got, ok, want)
		}
	}
	for _, raw := range []string{``, `{}`, `"x"`, `{"error":"x"}`, `<html>`, `{"data":{}}`} {
		if _, ok := readModels([]byte(raw)); ok {
			t.Errorf("%s is no list", raw)
		}
	}
}

func TestTheListBelongsToTheEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://h/v1/chat/completions":                                        "https://h/v1/models",
		"https://h/v1/chat/completions/":                                       "https://h/v1/models",
		"https://h/client/v4/accounts/a/ai/v1/chat/completions":                "https://h/client/v4/accounts/a/ai/v1/models",
		"https://r.openai.azure.com/openai/deployments/d/chat/completions?x=1": "https://r.openai.azure.com/openai/models?x=1",
		"http://h:1":         "http://h:1/models",
		"http://h/v1":        "http://h/v1/models",
		"http://h/custom/go": "http://h/custom/go/models",
	} {
		if got := modelsURL(endpoint); got != want {
			t.Errorf("%s: %s, want %s", endpoint, got, want)
		}
	}
}
