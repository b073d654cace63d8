package importer_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/internal/provider"
	"parley/internal/registry/importer"
)

var update = flag.Bool("update", false, "write the golden files anew")

func getenv(name string) string {
	return map[string]string{"OPENAI_API_KEY": "sk-openai", "MISTRAL_KEY": "sk-mistral", "PORTKEY_KEY": "pk", "TEAM": "blue", "PPLX": "sk-pplx", "CLOUDFLARE_ACCOUNT_ID": "acc1", "AZURE_API_KEY": "az-key"}[name]
}

// golden is a result in the open, to compare.
type golden struct {
	Format  string             `json:"format"`
	Records []goldenRecord     `json:"records"`
	Skipped []importer.Skipped `json:"skipped"`
}

type goldenRecord struct {
	ID    string         `json:"id"`
	Body  map[string]any `json:"body"`
	Notes []string       `json:"notes,omitempty"`
}

func TestEveryFormat(t *testing.T) {
	for file, format := range map[string]string{
		"council-map.json": importer.AISCouncil, "council-list.json": "", "litellm.yaml": "", "librechat.yaml": "", "parley.json": importer.Parley,
		"litellm-gov.yaml": "", "litellm-headers.yaml": "", "litellm-wildcard.yaml": "", "litellm-services.yaml": "", "litellm-credentials.yaml": "", "litellm-odd.yaml": "",
		"librechat-baseurl.yaml": "", "librechat-azure.yaml": "", "librechat-typos.yaml": "",
	} {
		t.Run(file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := importer.Parse(data, format, getenv)
			if err != nil {
				t.Fatal(err)
			}
			open := golden{Format: got.Format, Skipped: got.Skipped}
			for _, r := range got.Records {
				body, err := r.Body()
				if err != nil {
					t.Fatal(err)
				}
				open.Records = append(open.Records, goldenRecord{r.ID, body, r.Notes})
			}
			var text bytes.Buffer
			e := json.NewEncoder(&text)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			if err := e.Encode(open); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", strings.TrimSuffix(file, filepath.Ext(file))+".golden")
			if *update {
				if err := os.WriteFile(path, text.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(text.Bytes(), want) {
				t.Errorf("got:\n%s\nwant:\n%s", text.Bytes(), want)
			}
		})
	}
}

func TestABareMapIsRecognisedByItsFields(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":{"endpoint":"http://h/v1"}}`:                   importer.Parley,
		`{"a":{"endpoint":"http://h/v1","isCustom":true}}`:   importer.AISCouncil,
		`{"My LLM":{"endpoint":"http://h/v1"}}`:              importer.AISCouncil,
		`[{"id":"a","endpoint":"http://h/v1"}]`:              importer.AISCouncil,
		"a: {endpoint: http://h/v1, models: [x]}\n":          importer.Parley,
		"model_list:\n- {litellm_params: {model: gpt-4o}}\n": importer.LiteLLM,
	} {
		r, err := importer.Parse([]byte(data), "", getenv)
		if err != nil || r.Format != want || len(r.Records) != 1 {
			t.Errorf("%s: %v %v, want %s", data, r, err, want)
		}
	}
}

func TestWhatIsNoneOfThemIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ data, format, says string }{
		"empty":            {"", "", "empty"},
		"neither":          {"a: [", "", "neither JSON nor YAML"},
		"something else":   {"version: 3\nservices: {}\n", "", "none of"},
		"a number":         {"5", "", "none of"},
		"an empty map":     {"{}", "", "none of"},
		"unknown format":   {"{}", "toml", "no format"},
		"no model_list":    {"a: 1", importer.LiteLLM, "model_list"},
		"no custom":        {"a: 1", importer.LibreChat, "endpoints.custom"},
		"no records":       {"5", importer.AISCouncil, "neither a map nor a list"},
		"no map":           {"[1]", importer.Parley, "no map"},
		"a broken storage": {`{"ais-custom-providers":"{"}`, "", "ais-custom-providers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := importer.Parse([]byte(c.data), c.format, getenv)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

func TestOddEntriesNeverPanic(t *testing.T) {
	for _, format := range importer.Formats() {
		for _, data := range []string{
			`{"model_list":[null,5,{"litellm_params":5},{"litellm_params":{"model":"/"}},{"litellm_params":{"model":"openai/x","api_base":"::"}}]}`,
			`{"endpoints":{"custom":[null,5,{"name":5,"baseURL":"http://h","models":5}]}}`,
			`{"endpoints":5}`, `[null,5,{"models":[null,5,{}],"endpoint":"http://h"}]`, `{"a":null}`, `{"":{"endpoint":"http://h"}}`,
			`{"ä ö":{"endpoint":"http://h/v1","models":{"x":1},"pricing":{"input":"x"}}}`,
			"1: {endpoint: http://h}\n2: 3\n",
		} {
			r, err := importer.Parse([]byte(data), format, getenv)
			if err == nil && len(r.Records)+len(r.Skipped) == 0 {
				t.Errorf("%s: %s: neither taken nor reported", format, data)
			}
		}
	}
}

// What JSON cannot say keeps its entry out, and no other.
func TestWhatJSONHasNoFormForIsLeftOut(t *testing.T) {
	r, err := importer.Parse([]byte("endpoints: {custom: [{name: a, baseURL: 'https://a.example/v1', addParams: {x: {1: 2}}}, {name: b, baseURL: 'https://b.example/v1', addParams: {x: .nan}}, {name: c, baseURL: 'https://c.example/v1'}]}"), "", getenv)
	if err != nil || len(r.Records) != 1 || r.Records[0].ID != "c" || len(r.Skipped) != 2 || !strings.Contains(r.Skipped[0].Reason, "JSON has no form") {
		t.Errorf("%+v %v", r, err)
	}
}

// What is said of an entry quotes no value of the environment.
func TestNoReasonHoldsASecret(t *testing.T) {
	for _, model := range []string{"azure/x", "azure_ai/x", "openai/x", "ollama/x", "anthropic/x", "hosted_vllm/x"} {
		for _, base := range []string{"https://h/%zz?key=${OPENAI_API_KEY}", "https://u:${OPENAI_API_KEY}@h/v1", "ftp://h/${OPENAI_API_KEY}", "://${OPENAI_API_KEY}"} {
			r, err := importer.Parse([]byte("model_list: [{model_name: m, litellm_params: {model: "+model+", api_base: '"+base+"'}}]"), "", getenv)
			if err != nil || len(r.Skipped) != 1 || strings.Contains(r.Skipped[0].Reason, "sk-openai") {
				t.Errorf("%s at %s: %+v %v", model, base, r, err)
			}
		}
	}
}

// Whatever a file holds, every record taken is one the registry takes too.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"council-map.json", "council-list.json", "litellm.yaml", "librechat.yaml", "parley.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "")
		f.Add(data, importer.AISCouncil)
	}
	f.Fuzz(func(t *testing.T, data []byte, format string) {
		r, err := importer.Parse(data, format, getenv)
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, record := range r.Records {
			body, err := record.Body()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.Decode(record.ID, bytes.NewReader(text)); err != nil {
				t.Errorf("%s is refused: %v", text, err)
			}
			if ids[record.ID] {
				t.Errorf("%q is there twice", record.ID)
			}
			ids[record.ID] = true
		}
	})
}
