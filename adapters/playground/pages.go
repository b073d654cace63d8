// Views: the data of the templates, and the templates.

package playground

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley/internal/chat"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages renders templates. If a template fails, it shows the error as text
// rather than half a page.
type pages struct {
	set  *template.Template
	text *markdown
}

func newPages(text *markdown) (*pages, error) {
	set, err := template.New("").Funcs(template.FuncMap{
		"clock":   func(t time.Time) string { return t.Local().Format("15:04") },
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"micros":  func(t time.Time) int64 { return t.UnixMicro() },
		"size":    byteSize,
		"initial": initial,
		"hue":     hue,
		"replies": countReplies,
		"count":   chat.Count,
	}).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	return &pages{set: set, text: text}, nil
}

func (p *pages) part(name string, data any) string {
	var out strings.Builder
	if err := p.set.ExecuteTemplate(&out, name, data); err != nil {
		return template.HTMLEscapeString("cannot render " + name + ": " + err.Error())
	}
	return out.String()
}

func (p *pages) post(v postView) string       { return p.part("post", v) }
func (p *pages) note(v noteView) string       { return p.part("note", v) }
func (p *pages) replies(v repliesView) string { return p.part("replies", v) }

// where is what a form needs to return to the same page.
type where struct {
	Channel, Thread, Bot string
}

// postView is one message as shown.
type postView struct {
	post
	Where   where
	Name    string
	IsBot   bool
	HTML    template.HTML
	Growing bool
	Replies *repliesView // in a channel only
	Path    string       // of its thread; empty in a thread
}

// repliesView is the line "n replies" below a post.
type repliesView struct {
	Channel, Root, Path string
	Count               int
	Last                time.Time
}

// noteView is a reply that only the caller sees.
type noteView struct {
	Where   where
	Name    string // of the bot that speaks; empty if none does
	Bot     string
	HTML    template.HTML
	Menu    *menu
	Buttons []button
	Problem bool
}

// crumb is one entry of the sidebar.
type crumb struct {
	Path, Name, ID string
	Bot            string
	Current        bool
}

// frame is what every page has.
type frame struct {
	Title          string
	Assets         string
	Rooms, Directs []crumb
	View           string // "chat", "providers", "bots", "login"
	Version        string
	Refresh        bool // without script: look again while an answer grows
	Now            int64
	Around         string // digest of what the page says of bots and providers; see surroundings
}

// chatPage is a channel, with a thread beside it.
type chatPage struct {
	frame
	Channel  channel
	Posts    []postView
	Earlier  string // link to older posts
	Latest   string // link back from older posts: this page does not update
	Notes    []noteView
	Thread   *threadView
	Compose  composeView
	Welcome  *welcomeView
	OpenForm *formView
}

// threadView is the panel at the right.
type threadView struct {
	Root    *postView
	Posts   []postView
	ID      string
	Channel channel
	Close   string
	Compose composeView
	Notes   []noteView
}

// composeView is the box to write in.
type composeView struct {
	Where   where
	Label   string
	Most    int         // characters a message may have
	Using   string      // "provider/model" that answers here, if only one bot does
	Hints   bool        // say what @ and / do
	Bots    []botOption // that commands can go to, if there are several
	Nonce   string
	Text    string
	Problem string
}

type botOption struct {
	ID, Name string
	Selected bool
}

// welcomeView is shown while no provider is set up.
type welcomeView struct {
	Lacking  lack
	Silent   string // the provider that would answer here and never has, where none has
	Found    []offer
	Bot      string
	Examples []string
	Empty    bool // no message here yet
	Direct   bool
	View     string
	Where    where
}

// formView is a chat.Form with the values typed so far.
type formView struct {
	Form   chat.Form
	Fields []fieldView
	Where  where
	View   string // see spot
	Notice string
	Back   string
}

type fieldView struct {
	chat.Field
	Current string
	Error   string
	Secret  bool
}

func (a *Adapter) botName(id string) string {
	if b, known := a.byID[id]; known {
		return b.Name
	}
	return id
}

func (a *Adapter) postView(p post) postView {
	v := postView{post: p, IsBot: p.Bot != "", Growing: p.growing(), Where: where{p.Channel, p.Thread, p.Bot}}
	v.Name, v.HTML = "You", a.text.html(p.Text)
	if v.IsBot {
		v.Name = a.botName(p.Bot)
	}
	if p.Thread == "" {
		v.Path = a.threadPath(p.Channel, p.ID)
		v.Replies = &repliesView{Channel: p.Channel, Root: p.ID, Path: v.Path}
	}
	return v
}

func (a *Adapter) threadPath(channelID, root string) string {
	c, known := a.channel(channelID)
	if !known {
		return "/"
	}
	return c.Path() + "/t/" + root
}

// repliesOf counts the replies of each post.
func (a *Adapter) repliesOf(ctx context.Context, c channel, posts []post) []repliesView {
	rooms := make([]string, len(posts))
	for i, p := range posts {
		rooms[i] = roomOf(c.ID, p.ID)
	}
	out := make([]repliesView, len(posts))
	if len(posts) == 0 {
		return out
	}
	counts, last, err := a.o.Board.Sizes(ctx, rooms)
	for i, p := range posts {
		out[i] = repliesView{Channel: c.ID, Root: p.ID, Path: a.threadPath(c.ID, p.ID)}
		if err == nil {
			out[i].Count, out[i].Last = counts[i], last[i]
		}
	}
	return out
}

func byteSize(n int) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1000)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1000_000)
}

// initial is the letter on an avatar.
func initial(name string) string {
	r, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if r == utf8.RuneError {
		return "?"
	}
	return string(unicode.ToUpper(r))
}

// hue picks one of the avatar colours by name.
func hue(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32() % 6)
}

func countReplies(n int) string {
	if n == 1 {
		return "1 reply"
	}
	return fmt.Sprintf("%d replies", n)
}
