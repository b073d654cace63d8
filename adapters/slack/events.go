// Slack's events translated into messages: a pure function of the event and of
// who the app is.

package slack

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/adapters/internal/loose"
	"parley/internal/chat"
)

// envelope is what wraps every event, over HTTP and Socket Mode alike.
type envelope struct {
	Type           string          `json:"type"`
	Challenge      string          `json:"challenge"`
	TeamID         string          `json:"team_id"`
	EventID        string          `json:"event_id"`
	Event          json.RawMessage `json:"event"`
	Authorizations []authorization `json:"authorizations"`
}

type authorization struct {
	EnterpriseID string `json:"enterprise_id"`
	TeamID       string `json:"team_id"`
	UserID       string `json:"user_id"`
	OrgWide      truth  `json:"is_enterprise_install"`
}

// event is the part of a message or app_mention event that matters.
type event struct {
	Type        string `json:"type"`
	Subtype     string `json:"subtype"`
	Hidden      bool   `json:"hidden"`
	Channel     string `json:"channel"`
	ChannelType string `json:"channel_type"`
	User        string `json:"user"`
	Team        string `json:"team"`      // the person's workspace, not always the place's
	UserTeam    string `json:"user_team"` // the same; in some events only
	BotID       string `json:"bot_id"`
	content
	TS         string          `json:"ts"`
	ThreadTS   string          `json:"thread_ts"`
	ParentUser string          `json:"parent_user_id"` // who wrote the first message of the thread; in replies
	Edited     json.RawMessage `json:"edited"`
	Files      []file          `json:"files"`
	// An app's name, as it calls itself in this message or in general.
	Username   string `json:"username"`
	BotProfile struct {
		Name string `json:"name"`
	} `json:"bot_profile"`
	// In history only.
	ReplyCount int             `json:"reply_count"`
	Metadata   json.RawMessage `json:"metadata"`
}

type file struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Title    string `json:"title"`
	Mimetype string `json:"mimetype"`
	Size     int64  `json:"size"`
	Download string `json:"url_private_download"`
	URL      string `json:"url_private"`
}

// scope names the limits that an app's calls in a workspace draw on.
func (id identity) scope(team string) string {
	return platform + ":" + id.App + ":" + team
}

// team is the workspace a request belongs to. An event in a channel shared with
// other organisations names the app's own workspace among its authorizations;
// only with a token for a whole organisation, or with one app in several
// workspaces, is it another one than the token's.
func (id identity) team(said string, auths []authorization) string {
	if said == "" || slices.ContainsFunc(auths, func(a authorization) bool { return a.TeamID == id.Team }) {
		return id.Team
	}
	return said
}

// translate makes a message of an event, or says that it is not for a bot:
// written by a bot, edited, of a subtype that no person writes, or spoken to
// others. A mention arrives as app_mention and as message; both give the same
// Key.
func translate(self identity, bot, prefix string, e envelope) (chat.Message, bool) {
	var ev event
	if json.Unmarshal(e.Event, &ev) != nil || ev.Type != "message" && ev.Type != "app_mention" {
		return chat.Message{}, false
	}
	if !written(ev, self) {
		return chat.Message{}, false
	}
	direct := ev.direct()
	reply := ev.ThreadTS != "" && ev.ThreadTS != ev.TS
	me, others := mentions(ev.Text, self.User)
	trigger := chat.Thread
	switch {
	case direct:
		trigger = chat.Direct
	case me || ev.Type == "app_mention":
		trigger = chat.Mention
	case !reply || others:
		return chat.Message{}, false
	}
	own, shared := reader{bot: self.User, channel: ev.Channel}.said(ev.content)
	team := self.team(e.TeamID, e.Authorizations)
	m := chat.Message{
		Key:     self.key(team, ev.Channel, ev.TS),
		ID:      chat.MessageID(ev.TS),
		Scope:   self.scope(team),
		Bot:     bot,
		Place:   chat.Place{Platform: platform, Workspace: team, Channel: ev.Channel, Thread: ev.TS, Direct: direct},
		Author:  chat.Author{ID: ev.User},
		Trigger: trigger,
		Text:    canonical(own, prefix),
		At:      stamp(ev.TS),
	}
	_, _, command := m.Command()
	switch {
	case reply:
		m.Place.Thread, m.Place.Owner = ev.ThreadTS, ev.ParentUser
	case !direct && command:
		// "@helper /model x" at the top of a channel is about the channel.
		m.Place.Thread = ""
		m.Notes = map[string]string{noteThread: ev.TS}
	}
	if shared != "" && !command {
		m.Text = loose.Join("\n\n", shared, m.Text)
	}
	if theirs := cmp.Or(ev.UserTeam, ev.Team); theirs != "" && theirs != team {
		if m.Notes == nil {
			m.Notes = map[string]string{}
		}
		m.Notes[noteTeam] = theirs
	}
	for _, f := range ev.Files {
		m.Files = append(m.Files, f.neutral())
	}
	return m, true
}

// written reports whether a person wrote the event's message just now.
func written(ev event, self identity) bool {
	switch {
	case ev.Channel == "" || ev.TS == "" || ev.User == "" || ev.User == "USLACKBOT":
		return false
	case ev.BotID != "" || ev.User == self.User:
		return false
	case ev.Hidden || len(ev.Edited) > 0 && string(ev.Edited) != "null":
		return false
	}
	return ev.Subtype == "" || ev.Subtype == "file_share" || ev.Subtype == "thread_broadcast"
}

func (f file) neutral() chat.File {
	return chat.File{ID: f.ID, Name: cmp.Or(f.Name, f.Title), Type: f.Mimetype, Size: f.Size, URL: cmp.Or(f.Download, f.URL)}
}

// canonical gives a command written after a mention its plain name:
// "/helper-model x", in an app with that prefix, is "/model x".
func canonical(text, prefix string) string {
	if !strings.HasPrefix(text, "/") {
		return text
	}
	word, rest, spaced := strings.Cut(text, " ")
	name := commandName(word, prefix)
	if !slices.Contains(chat.WordNames(), name) {
		return text
	}
	if !spaced {
		return "/" + name
	}
	return "/" + name + " " + rest
}

// stamp is the moment in a Slack timestamp, "1700000000.000100".
func stamp(ts string) time.Time {
	seconds, micros, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return time.Time{}
	}
	us, _ := strconv.ParseInt((micros + "000000")[:6], 10, 64)
	return time.Unix(s, us*1000).UTC()
}
