// What the person does: messages, commands, menus, buttons and forms.

package playground

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"parley/internal/chat"
)

// told is what came of it, for the page's script.
type told struct {
	Room    string   `json:"room,omitempty"`
	Posts   []string `json:"posts,omitempty"`  // HTML of messages to show in Room
	Notes   []string `json:"notes,omitempty"`  // HTML for the caller's eyes
	Thread  string   `json:"thread,omitempty"` // address of a thread to open
	Form    string   `json:"form,omitempty"`   // HTML of a form to open
	Problem string   `json:"problem,omitempty"`
	// Done is the HTML of what a submitted form led to.
	Done string `json:"done,omitempty"`
	// Using is the provider and model that answer here now.
	Using string `json:"using,omitempty"`
}

// spot is where a request comes from.
type spot struct {
	c      channel
	thread string
	bot    string
	view   string // "providers" on that page, which has no chat
	// language is what the reader's browser asks for.
	language string
}

func (p spot) where() where { return where{p.c.ID, p.thread, p.bot} }

func (p spot) back() string {
	switch {
	case p.view != "":
		return providersPath
	case p.thread != "":
		return p.c.Path() + "/t/" + p.thread
	}
	return p.c.Path()
}

func (s *server) spot(r *http.Request) (spot, error) {
	if err := r.ParseForm(); err != nil {
		return spot{}, fmt.Errorf("read form: %w", err)
	}
	c, known := s.a.channel(r.PostFormValue("channel"))
	if !known {
		return spot{}, errors.New("no such channel")
	}
	p := spot{c: c, thread: r.PostFormValue("thread"), bot: r.PostFormValue("bot"), language: languageOf(r)}
	if r.PostFormValue("view") == "providers" {
		p.view = "providers"
	}
	if p.thread != "" && !validID(p.thread) {
		return spot{}, errors.New("no such thread")
	}
	if c.Bot != "" {
		p.bot = c.Bot
	}
	if _, known := s.a.byID[p.bot]; !known {
		p.bot = s.leading(r.Context(), c, p.thread)
	}
	return p, nil
}

// unreadable answers a request that cannot be placed. What was typed is still in
// the browser: the page's script keeps it, and without script Back shows it.
func unreadable(w http.ResponseWriter, err error) {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		http.Error(w, fmt.Sprintf("Nothing was sent: this is larger than the %d KiB that are taken at once. Go back, and shorten it or send it in pieces", large.Limit>>10), http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// speak takes what was typed: a command at once, a message by way of the inbox.
func (s *server) speak(w http.ResponseWriter, r *http.Request) {
	at, err := s.spot(r)
	if err != nil {
		unreadable(w, err)
		return
	}
	text := strings.TrimSpace(strings.ReplaceAll(r.PostFormValue("text"), "\r\n", "\n"))
	nonce := r.PostFormValue("nonce")
	if nonce == "" || len(nonce) > 64 {
		nonce = rand.Text()
	}
	switch {
	case text == "":
		s.tell(w, r, at, told{}, extra{})
	case utf8.RuneCountInString(text) > sizeLimit:
		s.problem(w, r, at, text, s.says(at, chat.Say("This is %d characters long; a message has at most %d. Shorten it, or send it in pieces.", utf8.RuneCountInString(text), sizeLimit)))
	case strings.HasPrefix(text, "/"):
		name, args, _ := strings.Cut(strings.TrimPrefix(text, "/"), " ")
		reply, err := s.desk.Do(r.Context(), chat.Command{
			Name: strings.ToLower(name), Args: strings.TrimSpace(args), Scope: Scope, Bot: at.bot, Place: at.c.place(at.thread), Author: at.author(),
		})
		s.reply(w, r, at, reply, err, nonce)
	default:
		s.say(w, r, at, text, nonce)
	}
}

func (s *server) say(w http.ResponseWriter, r *http.Request, at spot, text, nonce string) {
	ctx := r.Context()
	if at.thread != "" {
		if root, found, err := s.a.get(ctx, at.thread); err != nil || !found || root.Channel != at.c.ID {
			s.problem(w, r, at, text, s.says(at, chat.Say("This thread is gone. Write in the channel instead.")))
			return
		}
	}
	to, trigger, err := s.recipients(ctx, at, text)
	if err != nil {
		s.fault(w, r, at, text, err)
		return
	}
	p, err := s.a.add(ctx, post{ID: postID("said/" + nonce + "/" + text), Channel: at.c.ID, Thread: at.thread, Text: text, At: time.Now(), To: to})
	if err != nil {
		s.fault(w, r, at, text, err)
		return
	}
	for _, bot := range to {
		if err := s.in.Put(ctx, s.a.message(p, at, bot, trigger)); err != nil {
			s.fault(w, r, at, text, err)
			return
		}
	}
	out := told{Room: p.room(), Posts: []string{s.a.pages.post(s.a.postView(p))}}
	var x extra
	switch {
	case len(to) == 0 && at.thread == "":
		x.notes = append(x.notes, s.note(at, chat.Reply{
			Text: s.says(at, chat.Say("Nobody was asked: mention a bot, for example **@%s**, and it answers. Type `@` to see all of them.", s.a.bots[0].ID)),
		}))
	case len(to) > 0 && at.thread == "" && !at.c.Direct:
		out.Thread = s.a.threadPath(at.c.ID, p.ID)
		at.thread = p.ID
	}
	s.tell(w, r, at, out, x)
}

// recipients decides who answers: the bot of a direct message, the bots that
// are mentioned, or those that take part in the thread already.
func (s *server) recipients(ctx context.Context, at spot, text string) ([]string, chat.Trigger, error) {
	if at.c.Direct {
		return []string{at.c.Bot}, chat.Direct, nil
	}
	if to := s.a.mentioned(text); len(to) > 0 || at.thread == "" {
		return to, chat.Mention, nil
	}
	to, err := s.a.takingPart(ctx, at.c, at.thread)
	return to, chat.Answer, err
}

// takingPart lists the bots that were asked in a thread or wrote in it.
func (a *Adapter) takingPart(ctx context.Context, c channel, thread string) ([]string, error) {
	if thread == "" {
		return nil, nil
	}
	posts, err := a.list(ctx, roomOf(c.ID, thread), time.Time{}, catchUp)
	if err != nil {
		return nil, err
	}
	if root, found, err := a.get(ctx, thread); err != nil {
		return nil, err
	} else if found {
		posts = append([]post{root}, posts...)
	}
	var out []string
	for _, p := range posts {
		for _, bot := range append(p.To, p.Bot) {
			if _, known := a.byID[bot]; known && !slices.Contains(out, bot) {
				out = append(out, bot)
			}
		}
	}
	return out, nil
}

// message is p as bot's inbox gets it. In a channel the answer goes into the
// thread of the message, in a direct message it stands beside it.
func (a *Adapter) message(p post, at spot, bot string, trigger chat.Trigger) chat.Message {
	place := at.c.place(at.thread)
	if !at.c.Direct && place.Thread == "" {
		place.Thread = p.ID
	}
	return chat.Message{
		Key: messageKey(bot, p.ID), ID: chat.MessageID(p.ID), Scope: Scope, Bot: bot, Place: place,
		Author: at.author(), Trigger: trigger, Text: a.addressed(p.Text, bot), At: p.At,
	}
}

// act does what a menu, a button or a link of a page stands for.
func (s *server) act(w http.ResponseWriter, r *http.Request) {
	at, err := s.spot(r)
	if err != nil {
		unreadable(w, err)
		return
	}
	s.press(w, r, at, r.PostFormValue("command")+" "+r.PostFormValue("value"))
}

// press asks the desk what a control asks for, and shows what it says.
func (s *server) press(w http.ResponseWriter, r *http.Request, at spot, line string) {
	reply, err := s.desk.Press(r.Context(), at.press(line))
	s.reply(w, r, at, reply, err, rand.Text())
}

// reply shows what the desk said: to all, to the caller, a form, or why not.
func (s *server) reply(w http.ResponseWriter, r *http.Request, at spot, reply chat.Reply, err error, nonce string) {
	if err != nil {
		s.tell(w, r, at, told{}, extra{notes: []noteView{s.problemNote(at, s.words(at, err))}})
		return
	}
	var x extra
	var out told
	if reply.Form != nil {
		x.form = s.form(at, *reply.Form, nil, nil)
	}
	switch {
	case reply.Text == "" && reply.Menu == nil && len(reply.Buttons) == 0:
	case reply.Public && at.view == "":
		p, err := s.a.add(r.Context(), post{
			ID: postID("reply/" + nonce), Channel: at.c.ID, Thread: at.thread, Bot: at.bot, Text: reply.Text, At: time.Now(),
			Final: true, Menu: menuOf(reply.Menu), Buttons: buttonsOf(reply.Buttons),
		})
		if err != nil { // it is done all the same: whoever asked hears of it at least
			s.words(at, err)
			x.notes = append(x.notes, s.note(at, reply))
			break
		}
		out.Room, out.Posts = p.room(), []string{s.a.pages.post(s.a.postView(p))}
	default:
		x.notes = append(x.notes, s.note(at, reply))
	}
	s.tell(w, r, at, out, x)
}

// tell answers the request: JSON for the script, a page otherwise.
func (s *server) tell(w http.ResponseWriter, r *http.Request, at spot, out told, x extra) {
	if byScript(r) {
		for _, n := range x.notes {
			out.Notes = append(out.Notes, s.a.pages.note(n))
		}
		if x.form != nil {
			out.Form = s.a.pages.part("form", x.form)
		}
		out.Problem = x.problem
		out.Using = s.using(r.Context(), at.c, at.thread)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(max(x.status, http.StatusOK))
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	if at.view != "" {
		s.showProviders(w, r, x)
		return
	}
	if len(x.notes) == 0 && x.form == nil && x.problem == "" {
		http.Redirect(w, r, at.back(), http.StatusSeeOther)
		return
	}
	s.showRoom(w, r, at.c, at.thread, x)
}

// problem keeps what was typed and says why it was not sent.
func (s *server) problem(w http.ResponseWriter, r *http.Request, at spot, text, why string) {
	s.tell(w, r, at, told{}, extra{text: text, problem: why, bot: at.bot, status: http.StatusUnprocessableEntity})
}

// fault is a problem that is not the person's: it was not sent, and the log
// knows why.
func (s *server) fault(w http.ResponseWriter, r *http.Request, at spot, text string, err error) {
	why := s.says(at, chat.Paragraph(chat.Say("Not sent."), chat.Verbatim(s.words(at, err))))
	s.tell(w, r, at, told{}, extra{text: text, problem: why, bot: at.bot, status: http.StatusServiceUnavailable})
}

// words is what a person reads of an error.
func (s *server) words(at spot, err error) string {
	line, ref := chat.Explain(err)
	if ref != "" {
		s.a.o.Log.Error("playground request failed", "ref", ref, "error", err)
	}
	return s.says(at, line)
}

// note is a reply for the caller's eyes. Where there is no chat, no bot speaks.
func (s *server) note(at spot, reply chat.Reply) noteView {
	v := noteView{Where: at.where(), Bot: at.bot, HTML: s.a.text.html(reply.Text), Menu: menuOf(reply.Menu), Buttons: buttonsOf(reply.Buttons)}
	if at.bot != "" && at.view == "" {
		v.Name = s.a.botName(at.bot)
	}
	return v
}

// problemNote says what did not work.
func (s *server) problemNote(at spot, text string) noteView {
	v := s.note(at, chat.Reply{Text: text})
	v.Problem = true
	return v
}
