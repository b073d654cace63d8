// One chunk of a completion, in the dialects of all services.

package provider

import "bytes"

// object takes one whole, well-formed JSON value: a chunk, a completion or an
// error. Errors come first: a chunk that says it failed is believed.
func (d *decoder) object(data []byte) error {
	d.content, d.thoughts, d.thoughts2 = d.content[:0], d.thoughts[:0], d.thoughts2[:0]
	var finish string
	s := scanner{b: data}
	if s.peek() != '{' {
		return protocolError(data)
	}
	if failed := d.members(&s, &finish); failed {
		return d.fail(data)
	}
	if finish == "error" {
		return d.fail(data)
	}
	thoughts := d.thoughts
	if len(thoughts) == 0 {
		thoughts = d.thoughts2 // some send both fields with the same text
	}
	answer, inner := d.think.split(d.text.join(d.content))
	reasoning := d.reasoning.join(thoughts)
	if len(inner) > 0 {
		reasoning = append(bytes.Clone(reasoning), inner...)
	}
	if finish == "" || d.finish != "" {
		d.push(answer, reasoning, "")
		return nil
	}
	d.finish = finish
	d.push(answer, reasoning, "")
	n := len(d.queue)
	d.flush(finish)
	if n > 0 { // one delta for the last text and the finish
		last := d.queue[n]
		d.queue = d.queue[:n]
		d.queue[n-1].Text += last.Text
		d.queue[n-1].Reasoning += last.Reasoning
		d.queue[n-1].Finish = last.Finish
	}
	return nil
}

// members reads the members of a chunk. It reports whether the chunk is an
// error.
func (d *decoder) members(s *scanner, finish *string) (failed bool) {
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			return failed || s.failed
		}
		switch string(key) {
		case "choices":
			d.read = true
			d.choices(s, finish)
		case "error":
			failed = !isEmpty(s.value()) || failed
		case "errors":
			failed = !isEmpty(s.value()) || failed
		case "success":
			failed = string(s.value()) == "false" || failed
		case "object":
			failed = string(s.value()) == `"error"` || failed
		case "usage":
			d.usageOf(s)
		case "x_groq":
			d.groq(s)
		case "response": // Cloudflare's older answers
			if s.peek() == '"' {
				d.read = true
				d.done = d.done || d.mode == modeJSON
				raw, escaped := s.str()
				d.content = appendString(d.content, raw, escaped)
			} else {
				s.skip(0)
			}
		case "result": // Cloudflare's envelope
			if s.peek() == '{' {
				failed = d.members(s, finish) || failed
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
func (d *decoder) choices(s *scanner, finish *string) {
	if s.peek() != '[' {
		s.skip(0)
		return
	}
	first := true
	for s.elem(&first) {
		if s.peek() != '{' {
			s.skip(0)
			continue
		}
		d.choice(s, finish)
	}
}

func (d *decoder) choice(s *scanner, finish *string) {
	text, thoughts, thoughts2 := len(d.content), len(d.thoughts), len(d.thoughts2)
	before, whole := *finish, false
	other := false
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "index":
			other = s.integer() != 0
		case "delta":
			d.message(s)
		case "message":
			whole = s.peek() == '{'
			d.message(s)
		case "text":
			d.content = appendText(s, d.content)
		case "finish_reason":
			if s.peek() == '"' {
				raw, _ := s.str()
				*finish = finishReason(raw)
			} else {
				s.skip(0)
			}
		default:
			s.skip(0)
		}
	}
	if other {
		d.content, d.thoughts, d.thoughts2 = d.content[:text], d.thoughts[:thoughts], d.thoughts2[:thoughts2]
		*finish = before
		return
	}
	d.done = d.done || whole && d.mode == modeJSON
}

// message reads a delta or message.
func (d *decoder) message(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		switch string(key) {
		case "content":
			d.contentOf(s)
		case "refusal":
			d.content = appendText(s, d.content)
		case "reasoning_content":
			d.thoughts = appendText(s, d.thoughts)
		case "reasoning":
			d.thoughts2 = appendText(s, d.thoughts2)
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
func (d *decoder) contentOf(s *scanner) {
	if s.peek() != '[' {
		d.content = appendText(s, d.content)
		return
	}
	first := true
	for s.elem(&first) {
		if s.peek() == '{' {
			d.part(s)
		} else {
			d.content = appendText(s, d.content)
		}
	}
}

func (d *decoder) part(s *scanner) {
	start := len(d.content)
	text := true
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "type":
			text = string(s.value()) == `"text"`
		case "text":
			d.content = appendText(s, d.content)
		case "thinking":
			d.thinkingOf(s)
		default:
			s.skip(0)
		}
	}
	if !text {
		d.content = d.content[:start]
	}
}

// thinkingOf reads Mistral's reasoning: a string or a list of text parts.
func (d *decoder) thinkingOf(s *scanner) {
	if s.peek() != '[' {
		d.thoughts = appendText(s, d.thoughts)
		return
	}
	first := true
	for s.elem(&first) {
		if s.peek() != '{' {
			s.skip(0)
			continue
		}
		inner := true
		for {
			key, ok := s.key(&inner)
			if !ok {
				break
			}
			if string(key) == "text" {
				d.thoughts = appendText(s, d.thoughts)
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

func (d *decoder) groq(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			return
		}
		if string(key) == "usage" {
			d.usageOf(s)
		} else {
			s.skip(0)
		}
	}
}

// usageOf reads the counts; the last ones reported are the answer's.
func (d *decoder) usageOf(s *scanner) {
	if s.peek() != '{' {
		s.skip(0)
		return
	}
	var u Usage
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			break
		}
		switch string(key) {
		case "prompt_tokens":
			u.PromptTokens = s.integer()
		case "completion_tokens":
			u.CompletionTokens = s.integer()
		case "prompt_cache_hit_tokens": // DeepSeek
			u.CachedTokens = max(u.CachedTokens, s.integer())
		case "prompt_tokens_details":
			u.CachedTokens = max(u.CachedTokens, cachedTokens(s))
		default:
			s.skip(0)
		}
	}
	if u == (Usage{}) {
		return
	}
	if d.usage == nil {
		d.usage = new(Usage)
	}
	*d.usage = u
}

func cachedTokens(s *scanner) (n int) {
	if s.peek() != '{' {
		s.skip(0)
		return 0
	}
	first := true
	for {
		key, ok := s.key(&first)
		if !ok {
			return n
		}
		if string(key) == "cached_tokens" {
			n = s.integer()
		} else {
			s.skip(0)
		}
	}
}
