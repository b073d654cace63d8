// The providers and bots views: what there is, and the places to change it.
// Every change is a command or a form of the desk.

package playground

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
)

// providersPath is the console's page of providers.
const providersPath = "/playground/providers"

// providersPage is the list with what may be done to each.
type providersPage struct {
	frame
	List     []Provider
	Found    []offer
	Lacking  lack
	Silent   bool // there are providers that could answer, and none has
	Where    where
	Notes    []noteView
	OpenForm *formView
	Problem  string
}

// botsPage lists the bots.
type botsPage struct {
	frame
	List []botView
}

type botView struct {
	bots.Bot
	Path      string
	Using     string // the bot's default
	Changed   bool   // that is another than its file says
	Here      string // what its direct message uses instead, if that was switched
	Platforms []chat.Health
}

// consoleSpot is where commands of the console's pages come from: the direct
// message with the leading bot.
func (s *server) consoleSpot(r *http.Request) spot {
	b := s.a.bots[0]
	c, _ := s.a.channel("D-" + b.ID)
	return spot{c: c, bot: b.ID, view: "providers", language: languageOf(r)}
}

func (s *server) providers(w http.ResponseWriter, r *http.Request) {
	var x extra
	q := r.URL.Query()
	edit, add := q.Get("edit"), q.Has("add")
	if edit != "" || add {
		x = s.openForm(r, edit)
	}
	if byScript(r) {
		s.tell(w, r, s.consoleSpot(r), told{}, x)
		return
	}
	s.showProviders(w, r, x)
}

// openForm is the form to add a provider, or to edit one: the desk fills that
// in, and leaves the key out.
func (s *server) openForm(r *http.Request, edit string) extra {
	at := s.consoleSpot(r)
	args := "add"
	if edit != "" {
		args = "edit " + edit
	}
	f, err := s.providerForm(r.Context(), at, args)
	if err != nil {
		return extra{notes: []noteView{s.problemNote(at, s.words(at, err))}}
	}
	return extra{form: s.form(at, f, nil, nil)}
}

func (s *server) list(ctx context.Context) []Provider {
	if s.a.o.Providers == nil {
		return nil
	}
	list, err := s.a.o.Providers(ctx)
	if err != nil {
		s.a.o.Log.WarnContext(ctx, "playground cannot list providers", "error", err)
	}
	return list
}

func (s *server) showProviders(w http.ResponseWriter, r *http.Request, x extra) {
	page := providersPage{
		frame: s.frame("Providers", "providers", ""), List: s.list(r.Context()), Where: s.consoleSpot(r).where(),
		Notes: x.notes, OpenForm: x.form, Problem: x.problem,
	}
	page.Around = s.around(r.Context(), channel{}) // read before what it stands for: a change between is heard of
	page.Lacking, page.Found = s.a.prospects(r.Context())
	page.Silent = slices.ContainsFunc(page.List, func(p Provider) bool { return p.Usable && p.Silent })
	page.Found = slices.DeleteFunc(page.Found, func(o offer) bool { return o.Ready }) // it is in the list
	s.show(w, max(x.status, http.StatusOK), "providers.html", page)
}

// offer is a model server found on this machine.
type offer struct {
	Server
	Ready bool // a provider of that id is usable already: it only has to be chosen
}

// lack is what keeps bots from asking a real model.
type lack string

const (
	lackNothing  lack = ""
	lackReal     lack = "real"     // only the demo provider answers
	lackAnything lack = "anything" // nothing answers
)

// prospects reports what is lacking, and what was found on this machine.
func (a *Adapter) prospects(ctx context.Context) (lacking lack, found []offer) {
	usable := map[string]bool{}
	if a.o.Providers != nil {
		list, err := a.o.Providers(ctx)
		if err != nil {
			return lackNothing, nil
		}
		for _, p := range list {
			if p.Usable && !p.Silent {
				usable[p.ID] = true
			}
		}
	}
	if a.o.Discovered != nil {
		for _, m := range a.o.Discovered(ctx) {
			found = append(found, offer{m, usable[m.ID]})
		}
	}
	switch {
	case a.o.Providers == nil:
	case len(usable) == 0:
		lacking = lackAnything
	case usable["demo"] && len(usable) == 1:
		lacking = lackReal
	}
	return lacking, found
}

// connect makes use of a model server that was found on this machine: it is
// registered by the same form as everything else, or chosen if it is known. The
// browser names it; its address comes from here.
func (s *server) connect(w http.ResponseWriter, r *http.Request) {
	at, err := s.spot(r)
	if err != nil {
		unreadable(w, err)
		return
	}
	_, found := s.a.prospects(r.Context())
	i := slices.IndexFunc(found, func(o offer) bool { return o.ID == r.PostFormValue("server") })
	switch {
	case i < 0:
		s.tell(w, r, at, told{}, extra{notes: []noteView{s.problemNote(at, s.says(at, chat.Say("That server no longer answers on this machine. Start it and load the page again.")))}})
	case found[i].Ready && at.view != "":
		reply := chat.Reply{Text: s.says(at, chat.Say("**%s** is ready. In a channel or direct message, `/provider use %s` switches to it.", found[i].Name, found[i].ID))}
		s.tell(w, r, at, told{}, extra{notes: []noteView{s.note(at, reply)}})
	case found[i].Ready:
		s.press(w, r, at, "provider use "+found[i].ID)
	default:
		s.register(w, r, at, found[i].Server)
	}
}

func (s *server) register(w http.ResponseWriter, r *http.Request, at spot, m Server) {
	f, err := s.providerForm(r.Context(), at, "add")
	if err != nil {
		s.tell(w, r, at, told{}, extra{notes: []noteView{s.problemNote(at, s.words(at, err))}})
		return
	}
	s.take(w, r, at, f.ID, map[string]string{"id": m.ID, "name": m.Name, "endpoint": m.Endpoint, "models": strings.Join(m.Models, ", ")})
}

func (s *server) bots(w http.ResponseWriter, r *http.Request) {
	page := botsPage{frame: s.frame("Bots", "bots", "")}
	page.Around = s.around(r.Context(), channel{})
	page.List = s.botViews(r.Context())
	s.show(w, http.StatusOK, "bots.html", page)
}

func (s *server) botViews(ctx context.Context) (out []botView) {
	var health []chat.Health
	if s.a.o.Health != nil {
		health = s.a.o.Health()
	}
	for _, b := range s.a.bots {
		v := botView{Bot: b, Path: "/playground/d/" + b.ID}
		provider, model := s.a.using(ctx, b.ID, chat.Place{Platform: Scope})
		v.Using = provider + "/" + model
		v.Changed = provider != b.Provider || model != b.Model
		provider, model = s.a.using(ctx, b.ID, chat.Place{Platform: Scope, Channel: "D-" + b.ID, Direct: true})
		if here := provider + "/" + model; here != v.Using {
			v.Here = here
		}
		for _, h := range health {
			if h.Bot == b.ID && h.Platform != Scope {
				v.Platforms = append(v.Platforms, h)
			}
		}
		out = append(out, v)
	}
	return out
}

// file gives out an upload, as something to save and never to run.
func (s *server) file(w http.ResponseWriter, r *http.Request) {
	p, found, err := s.a.get(r.Context(), r.PathValue("post"))
	if err != nil || !found || p.File == nil {
		http.NotFound(w, r)
		return
	}
	data, found, err := s.a.o.Board.Get(r.Context(), p.File.ID)
	if err != nil || !found {
		http.Error(w, "The file is no longer kept.", http.StatusGone)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", attachment(p.File.Name))
	_, _ = w.Write(data)
}
