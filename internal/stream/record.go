// Writing down what is about to be tried and what stands, for whoever goes on
// with the answer if this process dies.

package stream

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// announce makes sure that there is a message for the next post, which will say
// text, and that the post is announced.
func (a *Answer) announce(ctx context.Context, text string) error {
	a.skipStuck()
	if a.message == len(a.messages) {
		a.messages = append(a.messages, message{Posted: Posted{Key: a.key(a.message)}})
	}
	m := &a.messages[a.message]
	if m.Pending && (!m.early || m.Text == text) || a.job.Record == nil {
		return nil
	}
	if err := a.job.Record(ctx, Posted{Key: m.Key, Text: text, Pending: true}); err != nil {
		return err
	}
	m.Pending, m.early = true, false
	return nil
}

// key is what the answer's message with this index is posted under.
func (a *Answer) key(index int) string { return a.job.Turn + "-" + strconv.Itoa(index) }

// note records what stands in m: always after a post; after an edit, at once
// where edits are rationed, and about once a second where they are not. What
// the answer ends with is left to whoever closes its turn. Where another
// message must follow, its post is announced along with that.
func (c *call) note(m message, d draft, last bool) error {
	a, now := c.a, time.Now()
	if last && a.job.Hold != nil {
		a.job.Hold(m.Posted)
		return nil
	}
	if !c.post && !m.final && !a.edits.limited && now.Sub(a.recorded) < time.Second {
		return nil
	}
	a.recorded = now
	next, ok := a.following(d)
	if !ok {
		return a.record(a.ctx, m.Posted)
	}
	if err := a.record(a.ctx, m.Posted, next); err != nil {
		return err
	}
	a.messages = append(a.messages, message{Posted: next, early: true})
	return nil
}

// following is the announcement of the post that must come after d, if one must.
func (a *Answer) following(d draft) (next Posted, ok bool) {
	if !d.full || a.part >= a.max || a.message != len(a.messages) || strings.TrimSpace(d.next) == "" {
		return Posted{}, false
	}
	return Posted{Key: a.key(a.message), Text: d.next, Pending: true}, true
}

// record writes down what stands, and perhaps what comes next; what stands is
// owed when it could not be written.
func (a *Answer) record(ctx context.Context, stands Posted, next ...Posted) error {
	var err error
	if a.job.Record != nil {
		err = a.job.Record(ctx, append([]Posted{stands}, next...)...)
	}
	a.sched.mu.Lock()
	defer a.sched.mu.Unlock()
	a.owed = nil
	if err != nil {
		a.owed = &stands
	}
	return err
}
