// Reactions, and the status line under a thread.

package slack

import (
	"slices"
	"time"
)

func (s *Server) addReaction(c call) (map[string]any, error) {
	m := s.messages[c.args["timestamp"]]
	if m == nil || m.Deleted || m.Channel != c.args["channel"] {
		return nil, fail("message_not_found")
	}
	if slices.Contains(m.Reactions[c.args["name"]], c.app.BotUser) {
		return nil, fail("already_reacted")
	}
	if m.Reactions == nil {
		m.Reactions = map[string][]string{}
	}
	m.Reactions[c.args["name"]] = append(m.Reactions[c.args["name"]], c.app.BotUser)
	return nil, nil
}

func (s *Server) removeReaction(c call) (map[string]any, error) {
	m := s.messages[c.args["timestamp"]]
	if m == nil || m.Deleted {
		return nil, fail("message_not_found")
	}
	at := slices.Index(m.Reactions[c.args["name"]], c.app.BotUser)
	if at < 0 {
		return nil, fail("no_reaction")
	}
	m.Reactions[c.args["name"]] = slices.Delete(m.Reactions[c.args["name"]], at, at+1)
	return nil, nil
}

// Status is what assistant.threads.setStatus showed.
type Status struct {
	At                    time.Time
	Channel, Thread, Text string // Text is "" when it was taken away
}

// Statuses lists every change of a thread's status line.
func (s *Server) Statuses() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.statuses)
}

func (s *Server) setStatus(c call) (map[string]any, error) {
	ch, err := s.reach(c, c.args["channel_id"])
	if err != nil {
		return nil, err
	}
	if root := s.messages[c.args["thread_ts"]]; root == nil || root.Channel != ch.ID {
		return nil, fail("invalid_thread_ts")
	}
	s.statuses = append(s.statuses, Status{time.Now(), ch.ID, c.args["thread_ts"], c.args["status"]})
	return nil, nil
}

// clearStatus takes a thread's status away when the app has answered there.
func (s *Server) clearStatus(m *Message) {
	for _, st := range slices.Backward(s.statuses) {
		if st.Channel == m.Channel && st.Thread == m.ThreadTS {
			if st.Text != "" {
				s.statuses = append(s.statuses, Status{time.Now(), m.Channel, m.ThreadTS, ""})
			}
			return
		}
	}
}
