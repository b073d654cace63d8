// Slack's own message streaming: chat.startStream, chat.appendStream,
// chat.stopStream. Limits: the reference, and what users of it have measured.

package slack

import (
	"strings"
	"time"
)

// Reported by users, not in the reference: a stream ends by itself after about
// five minutes and holds about eleven thousand bytes.
const (
	streamLife  = 5 * time.Minute
	streamBytes = 11_500
)

func (s *Server) startStream(c call) (map[string]any, error) {
	ch, err := s.place(c)
	if err != nil {
		return nil, err
	}
	if c.args["thread_ts"] == "" {
		return nil, fail("invalid_arguments", "thread_ts")
	}
	if ch.Direct == "" {
		if c.args["recipient_user_id"] == "" {
			return nil, fail("missing_recipient_user_id")
		}
		if c.args["recipient_team_id"] == "" {
			return nil, fail("missing_recipient_team_id")
		}
	}
	if length(c.args["markdown_text"]) > 12000 {
		return nil, fail("msg_too_long")
	}
	m := &Message{Channel: ch.ID, ThreadTS: c.args["thread_ts"], User: c.app.BotUser, App: c.app.ID, Text: c.args["markdown_text"], Streaming: true, started: time.Now()}
	s.add(m)
	s.clearStatus(m)
	return map[string]any{"channel": ch.ID, "ts": m.TS}, nil
}

func (s *Server) streaming(c call) (*Message, error) {
	m := s.messages[c.args["ts"]]
	switch {
	case m == nil || m.Deleted || m.Channel != c.args["channel"]:
		return nil, fail("message_not_found")
	case m.App != c.app.ID:
		return nil, fail("message_not_owned_by_app")
	case m.stopped && m.Streaming:
		m.Streaming = false
		return nil, fail("stopped_by_user")
	case m.Streaming && time.Since(m.started) > s.paced(streamLife):
		m.Streaming = false
	}
	if !m.Streaming {
		return nil, fail("message_not_in_streaming_state")
	}
	if length(c.args["markdown_text"]) > 12000 || len(m.Text)+len(c.args["markdown_text"]) > streamBytes {
		return nil, fail("msg_blocks_too_long")
	}
	return m, nil
}

func (s *Server) appendStream(c call) (map[string]any, error) {
	m, err := s.streaming(c)
	if err != nil {
		return nil, err
	}
	m.Text += c.args["markdown_text"]
	s.show(m)
	return map[string]any{"channel": m.Channel, "ts": m.TS}, nil
}

func (s *Server) stopStream(c call) (map[string]any, error) {
	m, err := s.streaming(c)
	if err != nil {
		return nil, err
	}
	if err := s.metadata(c, m); err != nil {
		return nil, err
	}
	m.Text += c.args["markdown_text"]
	if raw := c.args["blocks"]; raw != "" {
		blocks, problems := checkBlocks(raw, "message")
		if len(problems) > 0 {
			s.violate("chat.stopStream: %s", strings.Join(problems, "; "))
			return nil, fail("invalid_blocks", problems...)
		}
		m.fixed = append([]any{map[string]any{"type": "markdown", "text": m.Text}}, blocks...)
	}
	m.Streaming = false
	s.show(m)
	return map[string]any{"channel": m.Channel, "ts": m.TS}, nil
}

// StopStream presses the stop button that Slack shows on a streaming message.
func (s *Server) StopStream(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.messages[ts]; m != nil {
		m.stopped = true
		s.touch()
	}
}
