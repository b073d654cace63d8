// One chunk of a completion, in the dialects of all services.

package provider

import "bytes"

// chunkParts is what one chunk, or one whole completion, says. Its buffers are
// used again for the next.
type chunkParts struct {
	content   []byte
	thoughts  []byte // reasoning_content, and the thinking parts of content
	thoughts2 []byte // reasoning
	finish    string
	usage     Usage
	counted   bool // usage is there
	known     bool // it is a chunk or completion at all
	whole     bool // it is a whole completion
	failed    bool // it is an error
}

// read fills c from the object at s. When s fails, c means nothing.
func (c *chunkParts) read(s *scanner) {
	*c = chunkParts{content: c.content[:0], thoughts: c.thoughts[:0], thoughts2: c.thoughts2[:0]}
	c.members(s, false)
}

// members reads the members of a chunk; inner says that it is in an envelope.
func (c *chunkParts) members(s *scanner, inner bool) {
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		switch string(key) {
		case "choices":
			c.known = true
			c.choices(s)
		case "error", "errors":
			c.failed = !isEmpty(s.value()) || c.failed
		case "success":
			c.failed = string(s.value()) == "false" || c.failed
		case "object":
			c.failed = string(s.value()) == `"error"` || c.failed
		case "usage":
			c.usageOf(s)
		case "x_groq":
			c.groq(s)
		case "response": // Cloudflare's older answers
			if s.peek() == '"' {
				c.known, c.whole = true, true
			}
			c.content = appendText(s, c.content)
		case "result": // Cloudflare's envelope
			if s.peek() == '{' && !inner {
				c.members(s, true)
			} else {
				s.skip(0)
			}
		default:
			s.skip(0)
		}
	}
}

// isEmpty reports whether a JSON value says "nothing".
func isEmpty(v []byte) bool {
	switch string(v) {
	case "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}

// choices reads the choice with index 0, or without an index.
func (c *chunkParts) choices(s *scanner) {
	if s.peek() != '[' {
		s.skip(0)
		return
	}
	for first := true; s.elem(&first); {
		if s.peek() == '{' {
			c.choice(s)
		} else {
			s.skip(0)
		}
	}
}

func (c *chunkParts) choice(s *scanner) {
	before := *c
	other := false
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "index":
			other = s.integer() != 0
		case "delta":
			c.message(s)
		case "message":
			c.whole = c.whole || s.peek() == '{'
			c.message(s)
		case "text":
			c.content = appendText(s, c.content)
		case "finish_reason":
			if s.peek() == '"' {
				raw, _ := s.str()
				c.finish = finishReason(raw)
			} else {
				s.skip(0)
			}
		default:
			s.skip(0)
		}
	}
	if other {
		*c = before
	}
}

// message reads a delta or message.
func (c *chunkParts) message(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		switch string(key) {
		case "content":
			c.contentOf(s)
		case "refusal":
			c.content = appendText(s, c.content)
		case "reasoning_content":
			c.thoughts = appendText(s, c.thoughts)
		case "reasoning":
			c.thoughts2 = appendText(s, c.thoughts2)
		default:
			s.skip(0)
		}
	}
}

// appendText appends a string value; any other value is skipped.
func appendText(s *scanner, dst []byte) []byte {
	if s.peek() != '"' {
		s.skip(0)
		return dst
	}
	raw, escaped := s.str()
	return appendString(dst, raw, escaped)
}

// contentOf reads content: a string, or a list of parts of which those of type
// text are the answer and those of type thinking are not.
func (c *chunkParts) contentOf(s *scanner) {
	if s.peek() != '[' {
		c.content = appendText(s, c.content)
		return
	}
	for first := true; s.elem(&first); {
		if s.peek() == '{' {
			c.part(s)
		} else {
			c.content = appendText(s, c.content)
		}
	}
}

func (c *chunkParts) part(s *scanner) {
	start := len(c.content)
	text := true
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "type":
			text = string(s.value()) == `"text"`
		case "text":
			c.content = appendText(s, c.content)
		case "thinking":
			c.thinkingOf(s)
		default:
			s.skip(0)
		}
	}
	if !text {
		c.content = c.content[:start]
	}
}

// thinkingOf reads Mistral's reasoning: a string or a list of text parts.
func (c *chunkParts) thinkingOf(s *scanner) {
	if s.peek() != '[' {
		c.thoughts = appendText(s, c.thoughts)
		return
	}
	for first := true; s.elem(&first); {
		if s.peek() != '{' {
			s.skip(0)
			continue
		}
		for inner := true; ; {
			key, ok := s.key(&inner)
			if !ok {
				break
			}
			if string(key) == "text" {
				c.thoughts = appendText(s, c.thoughts)
			} else {
				s.skip(0)
			}
		}
	}
}

// finishReason names a finish reason in OpenAI's words.
func finishReason(raw []byte) string {
	switch string(raw) {
	case "":
		return ""
	case "stop", "stop_sequence", "eos_token", "end_turn", "STOP":
		return "stop"
	case "length", "max_tokens", "model_length", "MAX_TOKENS":
		return "length"
	case "content_filter", "SAFETY", "safety":
		return "content_filter"
	case "error":
		return "error"
	}
	return string(bytes.ToLower(raw))
}

func (c *chunkParts) groq(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		if string(key) == "usage" {
			c.usageOf(s)
		} else {
			s.skip(0)
		}
	}
}

// usageOf reads the counts; the last ones reported are the answer's.
func (c *chunkParts) usageOf(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	var u Usage
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "prompt_tokens":
			u.PromptTokens = tokens(s)
		case "completion_tokens":
			u.CompletionTokens = tokens(s)
		case "prompt_cache_hit_tokens": // DeepSeek
			u.CachedTokens = max(u.CachedTokens, tokens(s))
		case "prompt_tokens_details":
			u.CachedTokens = max(u.CachedTokens, cachedTokens(s))
		default:
			s.skip(0)
		}
	}
	if u != (Usage{}) {
		c.usage, c.counted = u, true
	}
}

// tokens reads a count. A server that counts below zero, or beyond what one
// answer can hold, does not count.
func tokens(s *scanner) int {
	n := s.integer()
	if n < 0 || n > 1e9 {
		return 0
	}
	return n
}

func cachedTokens(s *scanner) (n int) {
	if s.peek() != '{' {
		s.skip(0)
		return 0
	}
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			return n
		}
		if string(key) == "cached_tokens" {
			n = tokens(s)
		} else {
			s.skip(0)
		}
	}
}
