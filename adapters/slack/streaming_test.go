// Slack's own streaming, in front of the workspace.

package slack

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"parley/internal/chat"
	fake "parley/internal/fake/slack"
	"parley/internal/stream"
)

// streamed makes a rig in the mode, a question in it and the means to answer.
func streamed(t *testing.T, s setup, mode string) (r *rig, m chat.Message, open func(posted ...stream.Posted) *stream.Answer) {
	t.Helper()
	s.options.StreamMode = mode
	s.fake.NoEcho = true
	r = newRig(t, s)
	r.ws.Mention("C1", "U1", "tell me")
	m = r.message()
	editor := stream.NewScheduler(stream.Options{Log: slog.New(slog.NewTextHandler(r.logged, nil))})
	t.Cleanup(editor.Close)
	return r, m, func(posted ...stream.Posted) *stream.Answer {
		return editor.Open(t.Context(), stream.Job{Turn: "turn", Platform: platform, Responder: r.responder(m), Posted: posted, Stop: true})
	}
}

// pour appends text in pieces, each once the one before is seen.
func (r *rig) pour(m chat.Message, a *stream.Answer, pieces ...string) {
	r.t.Helper()
	said := ""
	for _, p := range pieces {
		a.Append(p)
		said += p
		r.await("growth", func() bool {
			all := r.ws.Answers("C1", string(m.ID))
			return len(all) > 0 && strings.Contains(strings.ReplaceAll(all[len(all)-1].Seen, gap, ""), lastWord(said))
		})
	}
}

func lastWord(s string) string { f := strings.Fields(s); return f[len(f)-1] }

func (r *rig) finish(m chat.Message, a *stream.Answer, want string) fake.Message {
	r.t.Helper()
	if _, err := a.Finish(r.t.Context(), stream.End{}); err != nil {
		r.t.Fatal(err)
	}
	all := r.ws.Answers("C1", string(m.ID))
	if len(all) != 1 || strings.ReplaceAll(all[0].Seen, gap, "") != want || all[0].Streaming || len(all[0].Controls) != 0 {
		r.t.Fatalf("answers = %+v", all)
	}
	if p := r.ws.Pings(); len(p) > 0 {
		r.t.Errorf("the answer pinged %v", p)
	}
	return all[0]
}

func (r *rig) streamingCalls() (n int) {
	return len(r.ws.Calls("chat.startStream")) + len(r.ws.Calls("chat.appendStream")) + len(r.ws.Calls("chat.stopStream"))
}

var pieces = []string{"The first words are more than enough, ", "and here are others, ", "for <!channel> and <@U1>, ", "until the end."}

func TestAutoStreamsAndEditDoesNot(t *testing.T) {
	for _, mode := range []string{"", "edit", "auto"} {
		r, m, open := streamed(t, setup{}, mode)
		a := open()
		r.pour(m, a, pieces...)
		got := r.finish(m, a, strings.Join(pieces, ""))
		if native := mode == "auto"; native != (r.streamingCalls() > 0) || native == (len(r.ws.Calls("chat.update")) > 0) {
			t.Errorf("mode %q: %d streaming calls, %d updates", mode, r.streamingCalls(), len(r.ws.Calls("chat.update")))
		}
		if mode != "auto" {
			continue
		}
		start := r.ws.Calls("chat.startStream")[0].Args
		if start["recipient_user_id"] != "U1" || start["recipient_team_id"] != "T0TEAM" || start["is_stoppable"] != "true" {
			t.Errorf("started with %v", start)
		}
		if !strings.Contains(r.ws.Calls("chat.stopStream")[0].Args["metadata"], "turn-0") || got.Edited {
			t.Errorf("ended as %+v", got)
		}
	}
}

func TestAGuestsOwnWorkspaceIsNamed(t *testing.T) {
	r := newRig(t, setup{options: Options{StreamMode: "auto"}})
	r.ws.Say(fake.Said{Channel: "C1", User: "U2", Text: "<@U0HELPER> hi", Extra: map[string]any{"team": "T9"}})
	responder := r.responder(r.message()).(chat.Streamer)
	if _, err := responder.Start(t.Context(), chat.Content{Markdown: "Hello"}); err != nil {
		t.Fatal(err)
	}
	if start := r.ws.Calls("chat.startStream")[0].Args; start["recipient_team_id"] != "T9" || start["is_stoppable"] != "" {
		t.Errorf("started with %v", start)
	}
}

func TestADirectMessageIsStreamedToo(t *testing.T) {
	r := newRig(t, setup{options: Options{StreamMode: "auto"}})
	r.ws.DM("U1", "hello")
	responder := r.responder(r.message())
	if _, err := responder.(chat.Streamer).Start(t.Context(), chat.Content{Markdown: "Hello"}); err != nil || !responder.Limits().Native {
		t.Errorf("%v, %+v", err, responder.Limits())
	}
}

func TestWhatSlackDoesNotStreamGrowsByEdits(t *testing.T) {
	for _, c := range []struct{ method, word string }{
		{"chat.startStream", "unknown_method"}, {"chat.startStream", "missing_scope"}, {"chat.startStream", "channel_type_not_supported"},
		{"chat.appendStream", "message_not_in_streaming_state"}, {"chat.appendStream", "streaming_state_conflict"},
		{"chat.appendStream", "msg_blocks_too_long"}, {"chat.appendStream", "internal_error"}, {"chat.appendStream", ""},
		{"chat.stopStream", "message_not_in_streaming_state"}, {"chat.stopStream", "fatal_error"},
	} {
		t.Run(c.method+" "+c.word, func(t *testing.T) {
			t.Parallel()
			r, m, open := streamed(t, setup{}, "auto")
			r.ws.Inject(fake.Fault{Method: c.method, Error: c.word, After: c.word == ""})
			a := open()
			r.pour(m, a, pieces...)
			r.finish(m, a, strings.Join(pieces, ""))
			if len(r.ws.Calls("chat.update")) == 0 {
				t.Error("nothing was edited")
			}
			lasting := c.word == "unknown_method" || c.word == "missing_scope"
			if r.responder(m).Limits().Native == lasting {
				t.Errorf("the next answer is streamed: %v", !lasting)
			}
		})
	}
}

func TestAnAppWithoutTheStopEventStreamsWithoutStop(t *testing.T) {
	r, m, open := streamed(t, setup{}, "auto")
	r.ws.Inject(fake.Fault{Method: "chat.startStream", Error: "not_subscribed_to_message_stream_stopped"})
	a := open()
	r.pour(m, a, pieces...)
	r.finish(m, a, strings.Join(pieces, ""))
	if starts := r.ws.Calls("chat.startStream"); len(starts) != 2 || starts[1].Args["is_stoppable"] != "" {
		t.Errorf("%+v", starts)
	}
}

func TestAPersonStopsTheStream(t *testing.T) {
	r, m, open := streamed(t, setup{}, "auto")
	a := open()
	r.pour(m, a, pieces[:2]...)
	r.ws.StopStream(r.ws.Answers("C1", string(m.ID))[0].TS)
	a.Append("More.")
	<-a.Done()
	if !errors.Is(a.Err(), chat.ErrStopped) {
		t.Errorf("%v", a.Err())
	}
	r.finish(m, a, pieces[0]+pieces[1]+"More.")
}

// The process that streamed is gone: the next one ends the stream and writes
// into the same message, whether its record has the message or not.
func TestAStreamLeftBehindIsRepaired(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		for _, mode := range []string{"auto", "edit"} {
			if mode == "edit" && !recorded {
				continue // without a key in it, only auto knows what to look for
			}
			r, m, open := streamed(t, setup{}, "auto")
			got, err := r.responder(m).(chat.Streamer).Start(t.Context(), chat.Content{Markdown: "Half an ans", Key: "turn-0"})
			if err != nil {
				t.Fatal(err)
			}
			r.adapter.apps[0].streaming.auto = mode == "auto"
			left := stream.Posted{Key: "turn-0", Pending: true}
			if recorded {
				left = stream.Posted{Key: "turn-0", ID: got.ID, Length: 11, Streaming: true}
			}
			a := open(left)
			a.Append("Half an answer is better than none.")
			if said := r.finish(m, a, "Half an answer is better than none."); said.TS != string(got.ID) {
				t.Errorf("it stands in another message")
			}
		}
	}
}

// What a button said to all in the thread is no part of the answer, whichever
// way it was posted.
func TestAReplyInTheThreadIsNotTakenForALostStream(t *testing.T) {
	for name, refuse := range map[string]string{"posted": "", "by the response_url": "not_in_channel"} {
		t.Run(name, func(t *testing.T) {
			r, m, open := streamed(t, setup{}, "auto")
			r.desk.onDo = func(context.Context, chat.Command) (chat.Reply, error) {
				return chat.Reply{Text: "This thread now uses `b`.", Public: true}, nil
			}
			responder := r.responder(m)
			if _, err := responder.Post(t.Context(), chat.Content{Markdown: "Now: `a`", Buttons: []chat.Button{{Label: "Use b", Action: "model", Args: "b"}}}); err != nil {
				t.Fatal(err)
			}
			menu := r.ws.Answers("C1", string(m.ID))[0]
			if refuse != "" {
				r.ws.Inject(fake.Fault{Method: "chat.postMessage", Error: refuse})
			}
			if _, err := r.ws.Press(fake.Press{Message: menu.TS, User: "U2", Button: "Use b"}); err != nil {
				t.Fatal(err)
			}
			r.await("the reply", func() bool { return len(r.ws.Answers("C1", string(m.ID))) == 2 })
			begun, err := responder.(chat.Streamer).Start(t.Context(), chat.Content{Markdown: "Half an ans", Key: "turn-0"})
			if err != nil {
				t.Fatal(err)
			}
			a := open(stream.Posted{Key: "turn-0", Pending: true})
			a.Append("Half an answer is better than none.")
			if _, err := a.Finish(t.Context(), stream.End{}); err != nil {
				t.Fatal(err)
			}
			said := r.ws.Answers("C1", string(m.ID))
			if len(said) != 3 || said[0].Seen != "Now: `a`" || said[1].Seen != "This thread now uses `b`." ||
				said[2].TS != string(begun.ID) || said[2].Streaming || said[2].Seen != "Half an answer is better than none." {
				t.Errorf("%+v", said)
			}
		})
	}
}

// A mention that would come about where two appends meet is not sent.
func TestAMentionInTwoPiecesPingsNobody(t *testing.T) {
	r, m, _ := streamed(t, setup{}, "auto")
	responder := r.responder(m).(chat.Streamer)
	got, err := responder.Start(t.Context(), chat.Content{Markdown: "To <!chan", Key: "turn-0"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := responder.Append(t.Context(), got.ID, "To <!chan", "To <!channel>"); !chat.Refused(err) {
		t.Errorf("%v", err)
	}
	if _, err := r.responder(m).Edit(t.Context(), got.ID, chat.Content{Markdown: "To <!channel>", Key: "turn-0", Final: true}); err != nil {
		t.Error(err)
	}
	if p := r.ws.Pings(); len(p) > 0 {
		t.Errorf("the answer pinged %v", p)
	}
}
