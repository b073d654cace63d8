// Live changes: each change on the board is read once, rendered once and sent
// to every open page it concerns. A slow page gets the latest state of each
// message, not a queue of old ones.

package playground

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"parley/internal/fault"
)

// change names something that may have changed.
type change struct{ room, id, note string }

// update is one server-sent event. It replaces an unsent one with the same
// key.
type update struct {
	key, kind string
	data      []byte
}

// viewer is one open page.
type viewer struct {
	channel string // "" for pages without messages
	wake    chan struct{}
	mu      sync.Mutex
	order   []string
	pending map[string]update
}

func (v *viewer) send(u update) {
	v.mu.Lock()
	if _, waiting := v.pending[u.key]; !waiting {
		v.order = append(v.order, u.key)
	}
	v.pending[u.key] = u
	v.mu.Unlock()
	select {
	case v.wake <- struct{}{}:
	default:
	}
}

func (v *viewer) take() []update {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]update, 0, len(v.order))
	for _, key := range v.order {
		out = append(out, v.pending[key])
	}
	v.order, v.pending = nil, map[string]update{}
	return out
}

type hub struct {
	a       *Adapter
	wake    chan struct{}
	done    chan struct{}
	once    sync.Once
	mu      sync.Mutex
	dirty   []change
	queued  map[change]bool
	viewers map[*viewer]bool
}

func newHub(a *Adapter) *hub {
	return &hub{a: a, wake: make(chan struct{}, 1), done: make(chan struct{}), queued: map[change]bool{}, viewers: map[*viewer]bool{}}
}

// close ends every open page's feed.
func (h *hub) close() { h.once.Do(func() { close(h.done) }) }

func (h *hub) join(channel string) *viewer {
	v := &viewer{channel: channel, wake: make(chan struct{}, 1), pending: map[string]update{}}
	h.mu.Lock()
	h.viewers[v] = true
	h.mu.Unlock()
	return v
}

func (h *hub) leave(v *viewer) {
	h.mu.Lock()
	delete(h.viewers, v)
	h.mu.Unlock()
}

// changed is called by the board's feed. It never blocks.
func (h *hub) changed(room, id, note string) {
	c := change{room, id, note}
	h.mu.Lock()
	if len(h.viewers) > 0 && !h.queued[c] {
		h.queued[c] = true
		h.dirty = append(h.dirty, c)
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// deliver renders changes until ctx ends. Further changes of a message are
// merged while it works.
func (h *hub) deliver(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		h.mu.Lock()
		todo := h.dirty
		h.dirty, h.queued = nil, map[change]bool{}
		watched := map[string]bool{}
		for v := range h.viewers {
			watched[v.channel] = true
		}
		h.mu.Unlock()
		for _, c := range todo {
			h.handle(ctx, c, watched)
		}
	}
}

// handle processes one change. It renders people's and models' text outside
// any request, so a panic must not end the server.
func (h *hub) handle(ctx context.Context, c change, watched map[string]bool) {
	defer func() {
		if err := fault.Recovered(recover()); err != nil {
			h.a.o.Log.ErrorContext(ctx, "playground cannot show a change", "post", c.id, "error", err)
		}
	}()
	channel, thread, _ := strings.Cut(c.room, "/")
	here := func(shown string) bool { return shown == channel }
	switch {
	case c.room == "":
		h.send(update{key: "resync", kind: "resync", data: []byte("{}")}, func(string) bool { return true })
	case channel == filesRoom:
	case c.note != "":
		verb, bot, _ := strings.Cut(c.note, " ")
		h.send(jsonUpdate("typing "+c.room+" "+bot, "typing", map[string]any{"room": c.room, "bot": bot, "name": h.a.botName(bot), "on": verb == "thinking"}), here)
	default:
		h.send(jsonUpdate("unread "+channel, "unread", map[string]any{"channel": channel}), func(shown string) bool { return shown != channel })
		if !watched[channel] {
			return
		}
		for _, u := range h.a.updates(ctx, c.id, channel, thread) {
			h.send(u, here)
		}
	}
}

// updates is what a page must redraw after a post changed: the post itself
// and, for one in a thread, the line below the thread's first post.
func (a *Adapter) updates(ctx context.Context, id, channel, thread string) []update {
	p, found, err := a.get(ctx, id)
	if err != nil {
		if ctx.Err() == nil {
			a.o.Log.WarnContext(ctx, "playground cannot show a change", "post", id, "error", err)
		}
		return nil
	}
	out := []update{jsonUpdate("post "+id, "gone", map[string]any{"id": id})}
	if found {
		out[0] = a.postUpdate(p)
	}
	if thread == "" {
		return out
	}
	counts, last, err := a.o.Board.Sizes(ctx, []string{roomOf(channel, thread)})
	if err != nil {
		return out
	}
	html := a.pages.replies(repliesView{Channel: channel, Root: thread, Path: a.threadPath(channel, thread), Count: counts[0], Last: last[0]})
	return append(out, jsonUpdate("replies "+thread, "replies", map[string]any{"root": thread, "html": html}))
}

func (a *Adapter) postUpdate(p post) update {
	return jsonUpdate("post "+p.ID, "post", map[string]any{
		"id": p.ID, "room": p.room(), "at": p.At.UnixMicro(), "html": a.pages.post(a.postView(p)),
		"growing": p.growing(), "bot": p.Bot, "name": a.botName(p.Bot),
	})
}

func jsonUpdate(key, kind string, v any) update {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("{}")
	}
	return update{key, kind, data}
}

// send sends u to the open pages with a matching channel.
func (h *hub) send(u update, fits func(channel string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for v := range h.viewers {
		if fits(v.channel) {
			v.send(u)
		}
	}
}

// heartbeat keeps proxies from closing a quiet feed.
const heartbeat = 20 * time.Second
