// Learning from a refusal what an endpoint's requests need.

package completion

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"parley/internal/provider"
)

// optional are the fields that a request can omit, in search order, with other
// words that endpoints use for them.
var optional = []struct {
	field string
	words []string
}{
	{"max_completion_tokens", nil},
	{"max_tokens", nil},
	{"stream_options", []string{"include_usage"}},
	{"temperature", nil},
	{"top_p", nil},
	{"frequency_penalty", nil},
	{"presence_penalty", nil},
	{"stop", nil},
	{"response_format", []string{"json_object", "json_schema"}},
	{"reasoning_effort", []string{"thinking", "reasoning"}},
	{"stream", []string{"streaming"}},
}

// learn says what to change after err refused fields. sent are the body's
// fields; fixed are those the record itself adds, which stay.
func learn(err *Error, sent map[string]any, fixed func(string) bool) provider.Quirks {
	var q provider.Quirks
	if err.Kind != KindBadRequest || err.Status != 400 && err.Status != 422 {
		return q
	}
	for _, field := range namedFields(err, sent) {
		if fixed(field) {
			continue
		}
		q = q.With(remedy(err, field, sent))
	}
	return q
}

// namedFields lists the optional fields that an error names. A field in
// "param" or "loc" counts alone; otherwise the text decides.
func namedFields(err *Error, sent map[string]any) []string {
	candidates := slices.Sorted(maps.Keys(sent))
	param, _, _ := strings.Cut(err.Field, ".")
	for _, name := range candidates {
		if same(name, param) && droppable(name) {
			return []string{name}
		}
	}
	var out []string
	text := plainWords(err.raw)
	for _, o := range optional {
		if _, was := sent[o.field]; was && mentions(text, o.field) && meant(err.raw, o.field, len(out)) {
			out = append(out, o.field)
		}
	}
	for _, name := range candidates {
		if !slices.ContainsFunc(optional, func(o struct {
			field string
			words []string
		}) bool {
			return o.field == name
		}) && droppable(name) && mentions(text, name) {
			out = append(out, name)
		}
	}
	if len(out) > 0 {
		return dropRecommended(err.raw, out)
	}
	for _, o := range optional {
		_, was := sent[o.field]
		if was && slices.ContainsFunc(o.words, func(w string) bool { return mentions(text, w) }) {
			return []string{o.field}
		}
	}
	return nil
}

// droppable reports whether a request makes sense without the field.
func droppable(name string) bool { return name != "model" && name != "messages" }

// same compares field names in any spelling: presencePenalty is
// presence_penalty.
func same(a, b string) bool { return b != "" && plainName(a) == plainName(b) }

func plainName(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }

// plainWords are the names in a text, in a form that mentions can compare.
func plainWords(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
	for i, w := range words {
		words[i] = plainName(w)
	}
	return words
}

// meant tells the fields stop and stream from the English words: they must be
// quoted, and if another field is named, stream only explains it.
func meant(text, field string, others int) bool {
	switch field {
	case "stream":
		return others == 0 && quoted(text, field)
	case "stop":
		return quoted(text, field) || refusesName(text)
	}
	return true
}

func quoted(text, word string) bool {
	return slices.ContainsFunc([]string{`'`, `"`, "`"}, func(q string) bool { return strings.Contains(text, q+word+q) })
}

// mentions reports whether a text names the field.
func mentions(words []string, field string) bool { return slices.Contains(words, plainName(field)) }

// dropRecommended removes a field that the text only recommends.
func dropRecommended(text string, fields []string) []string {
	if len(fields) < 2 {
		return fields
	}
	instead := recommended(text)
	return slices.DeleteFunc(fields, func(f string) bool { return f == instead })
}

var useInstead = regexp.MustCompile(`(?i)\buse\s+['"\x60]?([a-z_]+)['"\x60]?(?:\s+\w+)?\s+instead|\binstead\b[^.]{0,30}\buse\s+['"\x60]([a-z_]+)['"\x60]`)

// recommended is the field that a text recommends instead.
func recommended(text string) string {
	m := useInstead.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1] + m[2]
}

// twins are the two names of one field.
var twins = map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}

// remedy is what to do about one refused field: another name, another value,
// or none.
func remedy(err *Error, field string, sent map[string]any) provider.Quirks {
	if instead := recommended(err.raw); instead != "" && instead != field {
		if _, there := sent[instead]; !there && twins[field] == instead {
			return provider.Quirks{Rename: map[string]string{field: instead}}
		}
	}
	value, isNumber := asNumber(sent[field])
	if isNumber {
		if low, high, ok := bounds(err.raw); ok && (value < low || value > high) {
			var q provider.Quirks
			if value < low {
				q.Min = map[string]float64{field: low}
			} else {
				q.Max = map[string]float64{field: high}
			}
			return q
		}
	}
	if twin, ok := twins[field]; ok && refusesName(err.raw) {
		if _, there := sent[twin]; !there {
			return provider.Quirks{Rename: map[string]string{field: twin}}
		}
	}
	return provider.Quirks{Drop: []string{field}}
}

// refusesName reports whether a text speaks of the field, not of its value.
func refusesName(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc([]string{"unsupported", "not supported", "unknown", "unrecognized", "not permitted", "unexpected", "not allowed", "deprecated", "invalid field", "does not support"},
		func(s string) bool { return strings.Contains(text, s) })
}

func asNumber(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

const numberPattern = `(-?[0-9]+(?:\.[0-9]+)?)`

var (
	between = regexp.MustCompile(`(?i)(?:between|range(?: of)?|within|from)[:\s]*[\[(]?\s*` + numberPattern + `\s*(?:and|to|,|-|\.\.)\s*` + numberPattern)
	atMost  = regexp.MustCompile(`(?i)(?:<=|≤|less than or equal to|at most|maximum(?: value)?(?: is| of)?|no more than|must not exceed|cannot exceed|up to)\s*` + numberPattern)
	atLeast = regexp.MustCompile(`(?i)(?:>=|≥|greater than or equal to|at least|minimum(?: value)?(?: is| of)?|no less than)\s*` + numberPattern)
	below   = regexp.MustCompile(`(?i)(?:<|less than|below|smaller than|lower than)\s*` + numberPattern)
	above   = regexp.MustCompile(`(?i)(?:>|greater than|above|larger than)\s*` + numberPattern)
)

// bounds reads the range a text allows. Open ends come a hundredth inside.
func bounds(text string) (low, high float64, ok bool) {
	low, high = math.Inf(-1), math.Inf(1)
	if m := between.FindStringSubmatch(text); m != nil {
		low, _ = strconv.ParseFloat(m[1], 64)
		high, _ = strconv.ParseFloat(m[2], 64)
		return low, high, low < high
	}
	set := func(re *regexp.Regexp, to *float64, by float64) {
		if m := re.FindStringSubmatch(text); m != nil {
			n, _ := strconv.ParseFloat(m[1], 64)
			*to, ok = n+by, true
		}
	}
	set(above, &low, 0.01)
	set(atLeast, &low, 0)
	set(below, &high, -0.01)
	set(atMost, &high, 0)
	return low, high, ok
}
