// A channel or direct message, with a thread beside it.

package playground

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/internal/chat"
)

// pageOf is how many messages a page shows at once.
const pageOf = 60

func (s *server) home(w http.ResponseWriter, r *http.Request) {
	s.showRoom(w, r, s.a.channels()[0], "", extra{})
}

func (s *server) room(w http.ResponseWriter, r *http.Request) {
	direct := strings.HasPrefix(r.URL.Path, "/playground/d/")
	for _, c := range s.a.channels() {
		if c.Slug == r.PathValue("slug") && c.Direct == direct {
			s.showRoom(w, r, c, r.PathValue("thread"), extra{})
			return
		}
	}
	http.NotFound(w, r)
}

// extra is what the page shows after a form is sent without script.
type extra struct {
	notes   []noteView
	form    *formView
	text    string // text that could not be sent
	problem string
	bot     string
	status  int
}

func (s *server) showRoom(w http.ResponseWriter, r *http.Request, c channel, thread string, x extra) {
	page, err := s.chatPage(r, c, thread, x)
	if err != nil {
		s.a.o.Log.ErrorContext(r.Context(), "playground cannot read the board", "error", err)
		http.Error(w, "The messages cannot be read: is the store reachable? The log says more.", http.StatusServiceUnavailable)
		return
	}
	if page == nil {
		http.NotFound(w, r)
		return
	}
	s.show(w, max(x.status, http.StatusOK), "chat.html", page)
}

// chatPage reads what the page shows; nil if the thread does not exist.
func (s *server) chatPage(r *http.Request, c channel, thread string, x extra) (*chatPage, error) {
	ctx := r.Context()
	before := time.Time{}
	if us, err := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64); err == nil {
		before = time.UnixMicro(us)
	}
	page := &chatPage{frame: s.frame(c.Name, "chat", c.ID), Channel: c}
	page.Around = s.around(ctx, c)
	if !c.Direct {
		page.Title = "#" + c.Name
	}
	posts, err := s.a.list(ctx, c.ID, before, pageOf)
	if err != nil {
		return nil, err
	}
	if len(posts) == pageOf {
		page.Earlier = fmt.Sprintf("%s?before=%d", c.Path(), posts[0].At.UnixMicro())
	}
	if !before.IsZero() {
		page.Latest = c.Path()
	}
	page.Posts = s.views(ctx, c, posts)
	page.Compose = s.compose(ctx, c, "", x)
	if thread == "" {
		page.Notes, page.OpenForm = x.notes, x.form
		page.Compose.Text, page.Compose.Problem = x.text, x.problem
	} else {
		page.Thread, err = s.thread(ctx, c, thread, x)
		if err != nil || page.Thread == nil {
			return nil, err
		}
		page.OpenForm = x.form
	}
	for _, p := range page.Posts {
		page.Refresh = page.Refresh || p.Growing
	}
	if page.Thread != nil {
		for _, p := range page.Thread.Posts {
			page.Refresh = page.Refresh || p.Growing
		}
	}
	page.Welcome = s.welcome(ctx, c, len(posts) == 0)
	return page, nil
}

func (s *server) thread(ctx context.Context, c channel, id string, x extra) (*threadView, error) {
	if !validID(id) {
		return nil, nil
	}
	root, found, err := s.a.get(ctx, id)
	if err != nil || !found || root.Channel != c.ID || root.Thread != "" {
		return nil, err
	}
	posts, err := s.a.list(ctx, roomOf(c.ID, id), time.Time{}, catchUp)
	if err != nil {
		return nil, err
	}
	t := &threadView{ID: id, Channel: c, Close: c.Path(), Compose: s.compose(ctx, c, id, x), Notes: x.notes}
	t.Compose.Text, t.Compose.Problem = x.text, x.problem
	v := s.a.postView(root)
	v.Path, v.Replies = "", nil
	t.Root = &v
	for _, p := range posts {
		t.Posts = append(t.Posts, s.a.postView(p))
	}
	return t, nil
}

func (s *server) views(ctx context.Context, c channel, posts []post) []postView {
	replies := s.a.repliesOf(ctx, c, posts)
	out := make([]postView, len(posts))
	for i, p := range posts {
		out[i] = s.a.postView(p)
		out[i].Replies = &replies[i]
	}
	return out
}

func (s *server) compose(ctx context.Context, c channel, thread string, x extra) composeView {
	v := composeView{
		Where: where{Channel: c.ID, Thread: thread, Bot: c.Bot}, Nonce: rand.Text(), Most: sizeLimit, Using: s.using(ctx, c, thread),
		Hints: !c.Direct && thread == "",
	}
	switch {
	case thread != "":
		v.Label = "Reply"
	case c.Direct:
		v.Label = "Message " + c.Name
	default:
		v.Label = "Message #" + c.Name
	}
	if c.Direct || len(s.a.bots) < 2 {
		if v.Where.Bot == "" {
			v.Where.Bot = s.a.bots[0].ID
		}
		return v
	}
	chosen := x.bot
	if _, known := s.a.byID[chosen]; !known {
		chosen = s.leading(ctx, c, thread)
	}
	v.Where.Bot = chosen
	for _, b := range s.a.bots {
		v.Bots = append(v.Bots, botOption{b.ID, b.Name, b.ID == chosen})
	}
	return v
}

// leading is the bot that gets commands if none is chosen: the first in the
// thread, else the default.
func (s *server) leading(ctx context.Context, c channel, thread string) string {
	if c.Bot != "" {
		return c.Bot
	}
	if taking, err := s.a.takingPart(ctx, c, thread); err == nil && len(taking) > 0 {
		return taking[0]
	}
	return s.a.bots[0].ID
}

// using is what answers here, "provider/model"; empty if several bots could.
func (s *server) using(ctx context.Context, c channel, thread string) string {
	bot := c.Bot
	if bot == "" {
		if thread == "" {
			return ""
		}
		bot = s.leading(ctx, c, thread)
	}
	provider, model := s.a.using(ctx, bot, c.place(thread))
	if provider == "" {
		return ""
	}
	return provider + "/" + model
}

func (a *Adapter) using(ctx context.Context, bot string, p chat.Place) (provider, model string) {
	if a.o.Using != nil {
		if provider, model = a.o.Using(ctx, bot, p); provider != "" {
			return provider, model
		}
	}
	b := a.byID[bot]
	return b.Provider, b.Model
}

func (s *server) frame(title, view, current string) frame {
	f := frame{Title: title, Assets: s.assets, View: view, Version: s.a.o.Version, Now: time.Now().UnixMilli()}
	for _, c := range s.a.channels() {
		entry := crumb{Path: c.Path(), Name: c.Name, ID: c.ID, Bot: c.Bot, Current: c.ID == current}
		if c.Direct {
			f.Directs = append(f.Directs, entry)
		} else {
			f.Rooms = append(f.Rooms, entry)
		}
	}
	return f
}

// welcome is the hint on a server without a provider of its own, and what to
// try in an empty room.
func (s *server) welcome(ctx context.Context, c channel, empty bool) *welcomeView {
	bot := s.a.bots[0]
	if c.Bot != "" {
		bot = s.a.byID[c.Bot]
	}
	v := &welcomeView{Bot: bot.Name, Empty: empty, Direct: c.Direct, Where: where{Channel: c.ID, Bot: bot.ID}}
	var found []offer
	v.Lacking, found = s.a.prospects(ctx)
	used, _ := s.a.using(ctx, bot.ID, c.place(""))
	if v.Lacking != lackNothing && used != "demo" {
		v.Silent = used
	}
	for _, o := range found {
		if !o.Ready || o.ID != used {
			v.Found = append(v.Found, o)
		}
	}
	at := "@" + bot.ID + " "
	if c.Direct {
		at = ""
	}
	v.Examples = []string{at + "Show me what you can do", at + "Write a haiku about queues", at + "/model"}
	if !v.Empty && v.Lacking == lackNothing && len(v.Found) == 0 {
		return nil
	}
	return v
}
