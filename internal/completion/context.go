// The numbers in an error about a prompt that is too long.

package completion

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

const count = `(\d[\d,_]*)`

// limitSays and sizeSays find the context length and the prompt's size in the
// sentences of OpenAI, vLLM, llama.cpp, TGI, Anthropic, Gemini, Mistral, xAI,
// LM Studio and of gateways that forward those. The first match decides.
var (
	limitSays = patterns(
		`n_ctx\W{1,8}`+count,
		`exceeds? context limit: \d+ \+ \d+ > `+count,
		`> `+count+` maximum`,
		`(?:context|prompt|model|input)(?:\s+|_)(?:length|size|window|limit)(?:\s+(?:is|of|only|to|at))*\s*[:=(]?\s*`+count,
		`must be <= `+count,
		`must have less than `+count+` tokens`,
		`number of tokens allowed\s*\(?`+count,
		count+`[- ]tokens? (?:maximum|context|limit)`,
		count+` maximum context`,
		`(?:maximum|max|limit)(?: of| is)? `+count+` tokens`,
	)
	sizeSays = patterns(
		`n_prompt_tokens\W{1,8}`+count,
		count+` (?:tokens )?(?:in|of|from) (?:the |your )?(?:messages|text input|prompt|input)`,
		count+" (?:`inputs`|input|prompt) tokens",
		`(?:prompt|input|request|messages|it)\s*(?:\(length|is too long:|contains|has|resulted in|of|token count)\s*\(?`+count,
		`exceeds? context limit: `+count,
		`request \(`+count+` tokens\)`,
		`resulted in `+count,
		`requested (?:about |approximately |~)?`+count,
		`given: `+count,
		`first `+count+` tokens`,
	)
)

func patterns(list ...string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(list))
	for i, p := range list {
		out[i] = regexp.MustCompile(`(?i)` + p)
	}
	return out
}

// tooLong reads the context length and the prompt's size from an error's
// fields or text; 0 if it is missing or impossible.
func tooLong(raw []byte, text string) (limit, size int) {
	var v any
	if json.Unmarshal(raw, &v) == nil {
		limit, size = tooLongFields(v, 0)
	}
	if limit == 0 {
		limit = firstNumber(limitSays, text)
	}
	if size == 0 {
		size = firstNumber(sizeSays, text)
	}
	if size > 0 && limit > size*100 {
		limit = 0 // of something else
	}
	return limit, size
}

// tooLongFields finds llama.cpp's n_ctx and n_prompt_tokens at any depth, also
// in JSON that a gateway forwarded as a string.
func tooLongFields(v any, depth int) (limit, size int) {
	if depth > 6 {
		return 0, 0
	}
	switch v := v.(type) {
	case []any:
		for _, one := range v[:min(len(v), 3)] {
			if limit, size = tooLongFields(one, depth+1); limit > 0 {
				return limit, size
			}
		}
	case string:
		var inner map[string]any
		if strings.HasPrefix(v, "{") && json.Unmarshal([]byte(v), &inner) == nil {
			return tooLongFields(inner, depth+1)
		}
	case map[string]any:
		limit, size = tokenCount(v["n_ctx"]), tokenCount(v["n_prompt_tokens"])
		if limit > 0 {
			return limit, size
		}
		for _, key := range []string{"error", "message", "detail", "errors", "metadata", "raw"} {
			if limit, size = tooLongFields(v[key], depth+1); limit > 0 {
				return limit, size
			}
		}
	}
	return limit, size
}

func tokenCount(v any) int {
	if n, ok := v.(float64); ok && n >= 1 && n <= 1e9 {
		return int(n)
	}
	return 0
}

func firstNumber(res []*regexp.Regexp, text string) int {
	for _, re := range res {
		m := re.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(strings.NewReplacer(",", "", "_", "").Replace(m[1]))
		if err == nil && n > 0 && n <= 1e9 {
			return n
		}
	}
	return 0
}
