// What a channel does not let a bot do, and what a person does not take.

package discord

import (
	"net/http"
	"strings"
)

// Denied is what bots may not do in a channel. Seeing it is Lock's.
type Denied struct {
	History  bool     // no Read Message History: no replies, and no messages are listed
	Send     bool     // no Send Messages
	Files    bool     // no Attach Files
	Archived bool     // a thread: messages are not edited before a post opens it again
	Locked   bool     // an archived thread that a post does not open
	Words    []string // AutoMod blocks messages with these
}

// Deny takes rights from the bots in a channel (name or id), or gives them back.
func (s *Server) Deny(channel string, d Denied) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place(channel).denied = d
}

// Shut lets a person take no direct messages from bots.
func (s *Server) Shut(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.user(user)
	for _, app := range s.apps {
		s.direct(app, u).shut = true
	}
}

// mayCreate writes the refusal of a message that may not be posted; mu is held.
func (s *Server) mayCreate(w http.ResponseWriter, c *channel, body map[string]any, files int) bool {
	reference := body["message_reference"] != nil
	switch {
	case c.shut:
		refuse(w, http.StatusForbidden, 50007, "Cannot send messages to this user")
	case c.denied.Locked:
		refuse(w, http.StatusForbidden, 160005, "This thread is locked")
	case c.denied.Send, c.denied.Files && files > 0:
		refuse(w, http.StatusForbidden, 50013, "Missing Permissions")
	case c.denied.History && reference:
		refuse(w, http.StatusForbidden, 160002, "Cannot reply without permission to read message history")
	default:
		return !blocked(w, c, body)
	}
	return false
}

// mayEdit writes the refusal of an edit that may not be made; mu is held.
func mayEdit(w http.ResponseWriter, c *channel, body map[string]any) bool {
	if c.denied.Archived || c.denied.Locked {
		refuse(w, http.StatusBadRequest, 50083, "Thread is archived")
		return false
	}
	return !blocked(w, c, body)
}

func blocked(w http.ResponseWriter, c *channel, body map[string]any) bool {
	content, _ := body["content"].(string)
	for _, word := range c.denied.Words {
		if strings.Contains(content, word) {
			refuse(w, http.StatusBadRequest, 200000, "Message was blocked by automatic moderation")
			return true
		}
	}
	return false
}
