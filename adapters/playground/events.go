// The feed of an open page: server-sent events.

package playground

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"parley/internal/door"
)

// sinceMargin allows for clock differences between replicas, and for changes
// while the page was rendered.
const sinceMargin = 10 * time.Second

// catchUp is the most messages a page gets at once after it was away.
const catchUp = 200

func (s *server) events(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	// The server's own limits are for requests that end.
	_ = out.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold events back
	w.Header().Set("X-Accel-Buffering", "no")

	c, known := s.a.channel(r.URL.Query().Get("channel"))
	v := s.a.hub.join(c.ID)
	defer s.a.hub.leave(v)
	// Subscribe first, then read: a change in between arrives twice rather than
	// never.
	if known {
		s.catchUp(r, v, c)
	}
	_, _ = fmt.Fprintf(w, "retry: 1000\n: parley\n\n")
	if out.Flush() != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	around := s.surroundings(r, c)
	v.send(around)
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.a.hub.done:
			return
		case <-beat.C:
			if errors.Is(s.a.o.Door.Admit(r), door.ErrMissing) {
				return // logged out, or the session has expired
			}
			_, _ = fmt.Fprint(w, ": still here\n\n")
		case <-look.C:
			now := s.surroundings(r, c)
			if bytes.Equal(now.data, around.data) {
				continue
			}
			around = now
			v.send(around)
			continue
		case <-v.wake:
			for _, u := range v.take() {
				_, _ = fmt.Fprintf(w, "event: %s\nid: %d\ndata: %s\n\n", u.kind, time.Now().UnixMilli(), u.data)
			}
		}
		if out.Flush() != nil {
			return
		}
	}
}

// lookEvery is how soon a page shows that another model answers here, or that
// a provider was added or removed.
const lookEvery = 2 * time.Second

// surroundings is what a page shows besides messages: the models that answer
// in the channel and its open thread, and a digest of the providers.
func (s *server) surroundings(r *http.Request, c channel) update {
	ctx := r.Context()
	view := map[string]any{"using": "", "thread": ""}
	if c.ID != "" {
		view["using"] = s.using(ctx, c, "")
		if thread := r.URL.Query().Get("thread"); validID(thread) {
			view["thread"] = s.using(ctx, c, thread)
		}
	}
	view["state"] = s.around(ctx, c)
	return jsonUpdate("surroundings", "surroundings", view)
}

// around is a digest of what a channel's page shows about providers, or
// without a channel, of the pages of providers and bots. A page contains the
// digest it was rendered with, so that it misses no change before its feed
// starts.
func (s *server) around(ctx context.Context, c channel) string {
	sum := sha256.New()
	lacking, found := s.a.prospects(ctx)
	_, _ = fmt.Fprint(sum, lacking, found)
	if c.ID != "" {
		_, _ = fmt.Fprint(sum, s.using(ctx, c, ""))
	} else {
		_, _ = fmt.Fprint(sum, s.list(ctx))
		for _, b := range s.botViews(ctx) {
			_, _ = fmt.Fprint(sum, b.ID, b.Using, b.Here, b.Platforms)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// catchUp sends changes in the channel and its open thread since the page was
// rendered or last connected.
func (s *server) catchUp(r *http.Request, v *viewer, c channel) {
	since := r.URL.Query().Get("since")
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		since = last
	}
	ms, err := strconv.ParseInt(since, 10, 64)
	if err != nil {
		return
	}
	from := time.UnixMilli(ms).Add(-sinceMargin)
	rooms := []string{c.ID}
	if thread := r.URL.Query().Get("thread"); validID(thread) {
		rooms = append(rooms, roomOf(c.ID, thread))
	}
	for _, room := range rooms {
		posts, err := s.a.list(r.Context(), room, time.Time{}, catchUp)
		if err != nil {
			return
		}
		for _, p := range posts {
			if p.Changed.After(from) {
				v.send(s.a.postUpdate(p))
			}
		}
		if room == c.ID {
			s.catchUpReplies(r, v, c, posts)
		}
	}
}

func (s *server) catchUpReplies(r *http.Request, v *viewer, c channel, posts []post) {
	for _, view := range s.a.repliesOf(r.Context(), c, posts) {
		if view.Count > 0 {
			v.send(jsonUpdate("replies "+view.Root, "replies", map[string]any{"root": view.Root, "html": s.a.pages.replies(view)}))
		}
	}
}
