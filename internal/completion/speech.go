// What the chunks of an answer say, put together: repeated deltas, split
// characters and reasoning inside the text.

package completion

import "bytes"

// speech makes answer and reasoning of the texts of chunks.
type speech struct {
	said, thought   repeats // of the content, of the reasoning
	text, reasoning joiner
	think           thinkSplitter
	spoke, reasoned bool // a delta carried text, or reasoning
}

// of is what the chunk says. A message beside a delta, or at the end of a stream
// of deltas, repeats them: it counts only where none ever had text.
func (s *speech) of(c *chunkParts) (content, thoughts []byte) {
	content, thoughts = c.content, c.reasoning()
	s.spoke, s.reasoned = s.spoke || len(content) > 0, s.reasoned || len(thoughts) > 0
	if !s.spoke {
		content = c.message.content
	}
	if !s.spoke && !s.reasoned {
		thoughts = c.message.reasoning()
	}
	return content, thoughts
}

// next takes what a chunk says.
func (s *speech) next(content, thoughts []byte) (answer, reasoning []byte) {
	answer, inner := s.think.split(s.text.join(s.said.next(content)))
	reasoning = s.reasoning.join(s.thought.next(thoughts))
	if len(inner) > 0 {
		reasoning = append(bytes.Clone(reasoning), inner...)
	}
	return answer, reasoning
}

// rest is what was held back; whole says that the model came to an end of its
// own, cut that it was its limit.
func (s *speech) rest(whole, cut bool) (answer, reasoning []byte) {
	for _, piece := range [][]byte{s.text.join(s.said.rest()), s.text.rest()} {
		a, r := s.think.split(piece)
		answer, reasoning = append(answer, a...), append(reasoning, r...)
	}
	a, r := s.think.rest(whole, cut)
	answer, reasoning = append(answer, a...), append(reasoning, r...)
	reasoning = append(reasoning, s.reasoning.join(s.thought.rest())...)
	return answer, append(reasoning, s.reasoning.rest()...)
}
