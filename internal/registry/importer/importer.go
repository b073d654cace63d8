// Package importer reads providers from the files of other programs: the
// export of AISCouncil, LiteLLM's config.yaml, LibreChat's librechat.yaml, and
// parley's own export. It does no input or output and changes nothing.
package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"parley/internal/provider"
	"parley/internal/secret"
	"parley/internal/suggest"
)

// The formats Parse knows.
const (
	Parley     = "parley"     // a map {id: record}, as provider export and PROVIDERS_FILE have it
	AISCouncil = "aiscouncil" // "ais-custom-providers": a map or list of records
	LiteLLM    = "litellm"    // config.yaml, model_list
	LibreChat  = "librechat"  // librechat.yaml, endpoints.custom and endpoints.azureOpenAI
)

// Formats lists them.
func Formats() []string { return []string{Parley, AISCouncil, LiteLLM, LibreChat} }

// Result is what a file holds.
type Result struct {
	Format  string
	Records []Record // sorted by id, each valid
	Skipped []Skipped
}

// Record is one provider that can be put.
type Record struct {
	provider.Provider
	// Notes say what of the source has no place in a record, or must be added
	// by hand; never a secret.
	Notes []string
}

// Skipped is an entry that could not be taken.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Choose gives records other ids and keeps those that are wanted: names maps an
// id to the new one, only lists ids, old or new; empty: all. Records that are not
// wanted become Skipped. An error says which id does not fit, and changes nothing.
func (r *Result) Choose(names map[string]string, only []string) error {
	var ids []string
	for _, record := range r.Records {
		ids = append(ids, record.ID)
	}
	for _, old := range slices.Sorted(maps.Keys(names)) {
		if !slices.Contains(ids, old) {
			return fmt.Errorf("--id: the file brings no provider %q; it brings %s", old, orNone(ids))
		}
		if !provider.ValidID(names[old]) {
			return fmt.Errorf("--id: %q is no id: lowercase letters, digits and hyphens", names[old])
		}
	}
	chosen := *r
	chosen.Records, chosen.Skipped = nil, slices.Clone(r.Skipped)
	taken, found := map[string]bool{}, map[string]bool{}
	for _, record := range r.Records {
		old := record.ID
		if to := names[old]; to != "" {
			record.ID = to
		}
		found[old], found[record.ID] = true, true
		if len(only) > 0 && !slices.Contains(only, old) && !slices.Contains(only, record.ID) {
			chosen.Skipped = append(chosen.Skipped, Skipped{record.ID, "left out by --only"})
			continue
		}
		if taken[record.ID] {
			return fmt.Errorf("--id: two providers would be %q", record.ID)
		}
		taken[record.ID] = true
		chosen.Records = append(chosen.Records, record)
	}
	for _, id := range only {
		if !found[id] {
			return fmt.Errorf("--only: the file brings no provider %q; it brings %s", id, orNone(ids))
		}
	}
	slices.SortFunc(chosen.Records, func(a, b Record) int { return strings.Compare(a.ID, b.ID) })
	*r = chosen
	return nil
}

func orNone(ids []string) string {
	if len(ids) == 0 {
		return "none"
	}
	return strings.Join(ids, ", ")
}

// maxFile is the most bytes a file may have.
const maxFile = 4 << 20

// Parse reads a file in JSON or YAML. An empty format is recognised from the
// content. Values like ${NAME} and os.environ/NAME are taken from getenv.
func Parse(data []byte, format string, getenv func(string) string) (Result, error) {
	if len(data) > maxFile {
		return Result{}, fmt.Errorf("the file is larger than %d MiB", maxFile>>20)
	}
	if format != "" && !slices.Contains(Formats(), format) {
		return Result{}, fmt.Errorf("there is no format %q; there are %s", format, strings.Join(Formats(), ", "))
	}
	root, err := decode(data)
	if err != nil {
		return Result{}, err
	}
	if format == "" {
		if format = recognise(root); format == "" {
			return Result{}, errors.New("the file is none of " + strings.Join(Formats(), ", ") + "; name its format with --format")
		}
	}
	in := &reader{getenv: getenv, taken: map[string]bool{}}
	switch format {
	case LiteLLM:
		err = in.liteLLM(root)
	case LibreChat:
		err = in.libreChat(root)
	case AISCouncil:
		err = in.aisCouncil(root)
	default:
		err = in.own(root)
	}
	if err != nil {
		return Result{}, err
	}
	slices.SortFunc(in.records, func(a, b Record) int { return strings.Compare(a.ID, b.ID) })
	return Result{Format: format, Records: in.records, Skipped: in.skipped}, nil
}

// decode reads JSON or YAML; JSON apart, for files with tabs or duplicate keys
// that YAML refuses, and to keep numbers as they stand.
func decode(data []byte) (any, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	var root any
	if json.Valid(data) {
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		err := d.Decode(&root)
		return root, err
	}
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, fmt.Errorf("the file is neither JSON nor YAML: %s", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " "))
	}
	return root, nil
}

func recognise(root any) string {
	list, isList := root.([]any)
	m, _ := root.(map[string]any)
	switch {
	case isList && len(list) > 0:
		return AISCouncil
	case m["model_list"] != nil:
		return LiteLLM
	case libreChatFile(m):
		return LibreChat
	case m[storageKey] != nil:
		return AISCouncil
	}
	format := ""
	for id, record := range m {
		fields, ok := record.(map[string]any)
		if !ok || fields["endpoint"] == nil {
			return ""
		}
		if format == "" {
			format = Parley
		}
		if !provider.ValidID(id) || len(leftOut(fields, recordFields...)) > 0 {
			format = AISCouncil
		}
	}
	return format
}

// recordFields are the fields of parley's own records.
var recordFields = []string{
	"id", "source", "name", "endpoint", "apiKey", "models", "apiStyle", "extraHeaders", "pricing", "maxInput", "addParams", "dropParams",
	"preset", "endpoints", "maxConcurrent", "silenceTimeout", "tls", "proxy",
}

// Body is the record as the API takes it, its secrets in the clear: for
// sending, never for showing.
func (r Record) Body() (map[string]any, error) {
	text, err := json.Marshal(r.Provider)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	if !r.APIKey.IsZero() {
		body["apiKey"] = r.APIKey.Reveal()
	}
	if len(r.ExtraHeaders) > 0 {
		headers := map[string]string{}
		for name, value := range r.ExtraHeaders {
			headers[name] = value.Reveal()
		}
		body["extraHeaders"] = headers
	}
	return body, nil
}

// reader collects what one file brings.
type reader struct {
	getenv  func(string) string
	records []Record
	skipped []Skipped
	taken   map[string]bool // ids
}

func (in *reader) skip(name, format string, args ...any) {
	if name == "" {
		name = "(unnamed)"
	}
	in.skipped = append(in.skipped, Skipped{Name: name, Reason: fmt.Sprintf(format, args...)})
}

// add takes a record when it is valid.
func (in *reader) add(name string, p provider.Provider, notes []string) {
	p.Normalize()
	if slices.ContainsFunc(in.records, func(r Record) bool { return r.ID == p.ID }) {
		in.skip(name, "its id %q is there twice", p.ID)
		return
	}
	if problems := p.Validate(); len(problems) > 0 {
		texts := make([]string, len(problems))
		for i, problem := range problems {
			texts[i] = problem.String()
		}
		in.skip(name, "%s", strings.Join(texts, "; "))
		return
	}
	record := Record{Provider: p, Notes: notes}
	if _, err := record.Body(); err != nil { // YAML knows numbers and keys that JSON does not
		in.skip(name, "holds a value JSON has no form for")
		return
	}
	in.taken[p.ID] = true
	in.records = append(in.records, record)
}

// id makes an unused id of a name: "My LLM (EU)" becomes "my-llm-eu".
func (in *reader) id(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '-' || unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r):
			if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
				b.WriteByte('-')
			}
		}
	}
	base := strings.Trim(b.String()[:min(b.Len(), 56)], "-")
	if base == "" {
		base = "provider"
	}
	id := base
	for n := 2; in.taken[id]; n++ {
		id = fmt.Sprintf("%s-%d", base, n)
	}
	return id
}

// expand resolves a value that names environment variables: all of
// "os.environ/NAME", or any ${NAME} inside. missing names those not set.
func (in *reader) expand(value string) (out string, missing []string) {
	if name, ok := strings.CutPrefix(value, "os.environ/"); ok {
		if out = in.getenv(name); out == "" {
			missing = []string{name}
		}
		return out, missing
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(value, "${")
		b.WriteString(before)
		if !found {
			return b.String(), missing
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			b.WriteString("${" + rest)
			return b.String(), missing
		}
		if v := in.getenv(name); v != "" {
			b.WriteString(v)
		} else {
			missing = append(missing, name)
		}
		value = after
	}
}

// secret expands a secret; where a variable is missing there is none, and a
// note that says what to do.
func (in *reader) secret(field, value string) (secret.Text, []string) {
	out, missing := in.expand(value)
	if len(missing) > 0 {
		return secret.Text{}, []string{fmt.Sprintf("%s: %s is not set here, so it is left out; set it and import again, or put the provider with it", field, strings.Join(missing, ", "))}
	}
	return secret.New(out), nil
}

// headers expands headers. One that names the person who asks is left out:
// parley sends the same for everybody.
func (in *reader) headers(m map[string]any) (out map[string]secret.Text, notes []string) {
	for _, name := range sortedKeys(m) {
		value := text(m[name])
		if strings.Contains(value, "{{") {
			notes = append(notes, "header "+name+" names the person who asks; it is left out")
			continue
		}
		v, more := in.secret("header "+name, value)
		notes = append(notes, more...)
		if len(more) == 0 {
			if out == nil {
				out = map[string]secret.Text{}
			}
			out[name] = v
		}
	}
	return out, notes
}

// didYouMean offers the nearest of names for a typed word, in brackets; empty
// where none is near.
func didYouMean(typed string, names []string) string {
	if name := nearest(typed, names); name != "" {
		return fmt.Sprintf(" (did you mean %q?)", name)
	}
	return ""
}

// nearest is the name that typed was most likely meant to be, empty for none.
func nearest(typed string, names []string) string {
	return strings.Join(suggest.Names(typed, slices.Sorted(slices.Values(names)), 1), "")
}

// chatURL makes the full URL of chat completions from a base URL.
func chatURL(base string) string {
	const path = "/chat/completions"
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil || strings.HasSuffix(strings.TrimRight(u.Path, "/"), path) {
		return strings.TrimSpace(base)
	}
	return below(base, path)
}

// below adds an escaped path to a URL's own; its query stays behind it.
func below(base, path string) string {
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil {
		return strings.TrimSpace(base)
	}
	return u.JoinPath(path).String()
}

// The forms of loosely typed values.

func child(m map[string]any, key string) map[string]any {
	c, _ := m[key].(map[string]any)
	return c
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil, map[string]any, []any:
		return ""
	case time.Time: // YAML takes an API version for a day
		return v.Format(time.DateOnly)
	default:
		return fmt.Sprint(v)
	}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case json.Number:
		return number(v.String())
	case string: // prices are often quoted
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	}
	return 0, false
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s := text(e); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// leftOut notes the fields of an entry that have no place in a record.
func leftOut(m map[string]any, known ...string) []string {
	var names []string
	for _, k := range sortedKeys(m) {
		if !slices.Contains(known, k) {
			names = append(names, k)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"left out: " + strings.Join(names, ", ")}
}
