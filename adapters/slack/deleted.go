// Messages that people delete.

package slack

import (
	"cmp"
	"encoding/json"
	"strings"

	"parley/internal/chat"
)

// deletion reads which message was deleted, if another than the app wrote it. A
// thread's first message leaves a tombstone where replies stay.
func deletion(self identity, bot string, e envelope) (chat.Message, bool) {
	var ev struct {
		event
		DeletedTS string `json:"deleted_ts"`
		Message   event  `json:"message"`
		Previous  event  `json:"previous_message"`
	}
	if json.Unmarshal(e.Event, &ev) != nil || ev.Type != "message" || ev.Channel == "" {
		return chat.Message{}, false
	}
	ts := ""
	switch {
	case ev.Subtype == "message_deleted":
		ts = cmp.Or(ev.DeletedTS, ev.Previous.TS)
	case ev.Subtype == "message_changed" && ev.Message.Subtype == "tombstone":
		ts = cmp.Or(ev.Message.TS, ev.Previous.TS)
	}
	if ts == "" || ev.Previous.User == self.User || ev.Previous.BotID != "" {
		return chat.Message{}, false
	}
	team := self.team(e.TeamID, e.Authorizations)
	return chat.Message{
		Key: self.key(team, ev.Channel, ts), ID: chat.MessageID(ts), Scope: self.scope(team), Bot: bot, At: stamp(ts),
		Place: chat.Place{
			Platform: platform, Workspace: team, Channel: ev.Channel,
			Thread: cmp.Or(ev.Previous.ThreadTS, ev.Message.ThreadTS, ts), Direct: ev.direct(),
		},
	}, true
}

// direct reports whether the event is of a direct message.
func (ev event) direct() bool {
	return ev.ChannelType == "im" || ev.ChannelType == "app_home" || ev.ChannelType == "" && strings.HasPrefix(ev.Channel, "D")
}

// key names a message to this app, whichever event told of it.
func (id identity) key(team, channel, ts string) string {
	return strings.Join([]string{platform, id.App, team, channel, ts}, ":")
}
