// Deltas that repeat everything so far: some servers send the answer again,
// a little longer each time, where the format wants the new piece alone.

package completion

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// manner is how a server sends deltas.
type manner int

const (
	mannerOpen manner = iota
	mannerPieces
	mannerCumulative
)

// repeats makes new pieces of deltas of either kind. It waits for two deltas
// that each repeat all before them, so that an answer that begins with
// repetitions ("1", "10") loses nothing; of what it waits for, nothing is shown.
type repeats struct {
	known bool // earlier answers of this model were cumulative
	is    manner
	seen  []byte // all that was given out
	long  []byte // the latest delta, which began with everything before it
	sum   []byte // what has not been given out, if they are pieces
	grown int    // deltas in a row that repeated everything
}

// enough is the size from which text is no repetition by chance.
const enough = 8

// next takes a delta's text and returns what is new. The result may be delta
// itself or share its memory.
func (p *repeats) next(delta []byte) []byte {
	if p.is == mannerPieces || len(delta) == 0 {
		return delta
	}
	if p.is == mannerCumulative {
		return p.more(delta)
	}
	if len(p.seen) == 0 {
		p.seen = append(p.seen, delta...)
		return delta
	}
	before := p.seen
	if p.grown > 0 {
		before = p.long
	}
	if len(delta) <= len(before) || !bytes.HasPrefix(delta, before) {
		if p.known && bytes.Equal(delta, before) {
			return nil
		}
		p.is = mannerPieces
		all := append(p.sum, delta...)
		p.seen, p.long, p.sum = nil, nil, nil
		return all
	}
	p.grown++
	p.long, p.sum = append(p.long[:0], bytes.TrimSuffix(delta, notWhole)...), append(p.sum, delta...)
	if p.known || p.grown >= 2 && len(delta) >= enough {
		p.is = mannerCumulative
		return p.more(delta)
	}
	return nil
}

// notWhole is what some send for a character whose bytes have not all come; the
// next delta has the character instead.
var notWhole = []byte("\ufffd")

// more is what a cumulative delta adds.
func (p *repeats) more(delta []byte) []byte {
	delta = bytes.TrimSuffix(delta, notWhole)
	switch {
	case bytes.HasPrefix(delta, p.seen):
		fresh := bytes.Clone(delta[len(p.seen):])
		p.seen = append(p.seen, fresh...)
		return fresh
	case bytes.HasPrefix(p.seen, delta):
		return nil
	}
	p.seen = append(p.seen, delta...)
	return delta
}

// rest is what was waited with at the end: a second delta that repeats more
// than a few letters, or a whole word, was cumulative.
func (p *repeats) rest() []byte {
	if p.is != mannerOpen || p.grown == 0 {
		return nil
	}
	sum := p.sum
	p.is = mannerPieces
	last, _ := utf8.DecodeLastRune(p.seen)
	next, _ := utf8.DecodeRune(p.long[len(p.seen):])
	if len(p.seen) >= enough || unicode.IsLetter(last) && !unicode.IsLetter(next) && !unicode.IsDigit(next) {
		return bytes.Clone(p.long[len(p.seen):])
	}
	return sum
}
