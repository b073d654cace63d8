// One chunk of a completion, in the dialects of all services.

package completion

// chunkParts is the content of one chunk, or of a whole completion. Its
// buffers are reused for the next.
type chunkParts struct {
	spoken         // by a delta, or by an answer that is whole
	message spoken // by a message beside or instead of the delta
	finish  string // as in the chunk
	index   int    // of the choice that is the answer: the first that came
	chosen  bool   // index is set
	usage   Usage
	counted bool // usage is present
	known   bool // it is a chunk or completion
	whole   bool // it is a whole completion
	failed  bool // it is an error
	listed  bool // choices are present
	foreign bool // Ollama's own format, unless choices are present
	empty   bool // it has no content
}

// spoken is the content of a delta or a message.
type spoken struct {
	content   []byte
	thoughts  []byte // reasoning_content, and the thinking parts of content
	thoughts2 []byte // reasoning
}

func (s spoken) cleared() spoken {
	return spoken{content: s.content[:0], thoughts: s.thoughts[:0], thoughts2: s.thoughts2[:0]}
}

// reasoning is one of two fields: some servers send both, with the same text.
func (s spoken) reasoning() []byte {
	if len(s.thoughts) == 0 {
		return s.thoughts2
	}
	return s.thoughts
}

// read fills c from the object at s. If s fails, c is undefined.
func (c *chunkParts) read(s *scanner) {
	*c = chunkParts{spoken: c.cleared(), message: c.message.cleared(), index: c.index, chosen: c.chosen, empty: true}
	c.members(s, false)
}

// members reads the members of a chunk; inner says that it is in an envelope.
func (c *chunkParts) members(s *scanner, inner bool) {
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		c.empty = false
		switch string(key) {
		case "choices":
			c.known, c.listed = true, true
			c.choices(s)
		case "error", "errors":
			c.failed = !isEmpty(s.value()) || c.failed
		case "success":
			c.failed = string(s.value()) == "false" || c.failed
		case "object":
			c.failed = string(s.value()) == `"error"` || c.failed
		case "done": // Ollama's /api/chat and /api/generate
			c.foreign = true
			s.skip(0)
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

// isEmpty reports whether a JSON value is empty.
func isEmpty(v []byte) bool {
	switch string(v) {
	case "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}

// choices reads the choice that was chosen, and those without an index.
func (c *chunkParts) choices(s *scanner) {
	if s.peek() != '[' {
		s.skip(0)
		return
	}
	if !c.chosen {
		c.choose(*s)
	}
	for first := true; s.elem(&first); {
		if s.peek() == '{' {
			c.choice(s)
		} else {
			s.skip(0)
		}
	}
}

// choose takes the lowest index of the first chunk that has one: if a server
// counts from 1, or sends choices in turn, the rest are other answers.
func (c *chunkParts) choose(s scanner) {
	least, found := 0, false
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
			if string(key) != "index" || s.peek() < '0' || s.peek() > '9' {
				s.skip(0)
				continue
			}
			if index := s.integer(); !found || index < least {
				least, found = index, true
			}
		}
	}
	if !s.failed {
		c.index, c.chosen = least, found
	}
}

func (c *chunkParts) choice(s *scanner) {
	before := *c
	index, indexed := 0, false
	for first := true; ; {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "index":
			if peek := s.peek(); peek >= '0' && peek <= '9' {
				index, indexed = s.integer(), true
			} else {
				s.skip(0)
			}
		case "delta":
			c.spoken.read(s)
		case "message":
			c.whole = c.whole || s.peek() == '{'
			c.message.read(s)
		case "text":
			c.content = appendText(s, c.content)
		case "finish_reason":
			if s.peek() == '"' {
				raw, _ := s.str()
				if finish := finishReason(raw); finish != "" {
					c.finish = finish
				}
			} else {
				s.skip(0)
			}
		default:
			s.skip(0)
		}
	}
	if indexed && c.chosen && index != c.index {
		*c = before
	}
}

// read reads a delta or message.
func (c *spoken) read(s *scanner) {
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

// contentOf reads content: a string, or a list of parts; those of type text
// are the answer, those of type thinking are not.
func (c *spoken) contentOf(s *scanner) {
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

func (c *spoken) part(s *scanner) {
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
func (c *spoken) thinkingOf(s *scanner) {
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

// usageOf reads the counts; the last ones reported count.
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

// tokens reads a count. It ignores negative and impossibly large ones.
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
