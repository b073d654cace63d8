// Posting and editing the messages of one answer.

package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"sync/atomic"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// eventType names parley's metadata on a message; its payload holds the post's
// key, by which a post is found again.
const eventType = "parley_turn"

// besideType names the metadata of what is posted beside the answers: replies to
// commands and buttons.
const besideType = "parley_reply"

// responder answers one message.
type responder struct {
	app   *app
	to    chat.Message
	shape atomic.Int32 // see shape
}

var (
	_ chat.Responder = (*responder)(nil)
	_ chat.Remover   = (*responder)(nil)
)

// noteThread is the note that names the thread of the answer where the place
// is the channel itself; see translate.
const noteThread = "thread"

// thread is where the answer goes.
func (r *responder) thread() string {
	if r.to.Place.Thread != "" {
		return r.to.Place.Thread
	}
	return r.to.Notes[noteThread]
}

// Post writes the next message into the thread of the question, or, for one
// person only, as an ephemeral message.
func (r *responder) Post(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	if c.Only != "" && !r.to.Place.Direct { // a direct message is between two anyway
		return r.whisper(ctx, c)
	}
	if c.Again && c.Key != "" {
		id, err := r.find(ctx, r.hasKey(c.Key))
		if id != "" || err != nil {
			return chat.Receipt{ID: id}, err
		}
	}
	values, err := r.addressed(c)
	if err != nil {
		return chat.Receipt{}, err
	}
	status := r.app.indicators.standing(r.where())
	var ts, thread string
	err = r.inform(c, func(text string, b []slack.Block) (err error) {
		values.Set("text", text)
		ts, thread, err = r.app.post(ctx, values, b)
		return err
	})
	if err != nil {
		return chat.Receipt{}, r.app.failed("post", err)
	}
	if status {
		r.app.indicators.stand(r.where(), false) // a reply takes the status away
	}
	r.app.health.notice("")
	if r.thread() != "" && thread == "" {
		return chat.Receipt{ID: chat.MessageID(ts)}, r.astray(ctx, ts)
	}
	return chat.Receipt{ID: chat.MessageID(ts)}, nil
}

// addressed is a post without its text and blocks: where it goes, and by what it is found
// again.
func (r *responder) addressed(c chat.Content) (url.Values, error) {
	mark := besides()
	if c.Key != "" {
		mark = turnMark(c.Key)
	}
	metadata, err := json.Marshal(mark)
	values := url.Values{
		"channel": {r.to.Place.Channel}, "parse": {"none"}, "metadata": {string(metadata)},
	}
	if t := r.thread(); t != "" {
		values.Set("thread_ts", t)
	}
	return values, err
}

// astray deals with a post that came back without the thread it was for. Where
// the thread's first message is gone, Slack posts at the top of the channel, for
// everybody to read: that is taken back, and the question counts as deleted. A
// server that only leaves the thread out of its answer is asked.
func (r *responder) astray(ctx context.Context, ts string) error {
	var got page
	err := r.app.call(ctx, "conversations.replies", url.Values{
		"channel": {r.to.Place.Channel}, "ts": {r.thread()}, "oldest": {ts}, "inclusive": {"true"}, "limit": {"10"},
	}, &got)
	if err == nil && slices.ContainsFunc(got.Messages, func(m event) bool { return m.TS == ts }) {
		return nil
	}
	r.app.log.WarnContext(ctx, "slack: the thread of the question is gone; the answer is taken back from the channel", "message", ts)
	if _, err := r.Remove(ctx, chat.MessageID(ts)); err != nil {
		r.app.log.ErrorContext(ctx, "slack: an answer stays at the top of the channel", "message", ts, "error", err)
	}
	return &chat.Refusal{Reason: chat.Gone, Err: chat.ErrWithdrawn}
}

// Edit replaces a message's text and controls. Blocks are always sent, so the
// message shows no "(edited)" and loses the controls it should lose.
func (r *responder) Edit(ctx context.Context, id chat.MessageID, c chat.Content) (chat.Receipt, error) {
	update := func() error {
		return r.inform(c, func(text string, b []slack.Block) error {
			_, _, _, err := r.app.api.UpdateMessageContext(ctx, r.to.Place.Channel, string(id), append(sent(text, b), r.mark(c.Key)...)...)
			return err
		})
	}
	err := update()
	if word(err) == "streaming_state_conflict" { // a stream that was lost sight of
		if _, err := r.End(ctx, id, "", chat.Content{Key: c.Key}); err != nil && !chat.Refused(err) && !errors.Is(err, chat.ErrStopped) {
			return chat.Receipt{}, err
		}
		err = update()
	}
	return chat.Receipt{ID: id}, r.app.failed("edit", err)
}

// keyed names a post, so that it is found again.
func keyed(key string) slack.MsgOption {
	return slack.MsgOptionMetadata(turnMark(key))
}

func turnMark(key string) slack.SlackMetadata {
	return slack.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"key": key}}
}

// besides marks a post that is no answer, so that it is never taken for one.
func besides() slack.SlackMetadata {
	return slack.SlackMetadata{EventType: besideType, EventPayload: map[string]any{}}
}

// inThread posts as a reply; at the top where there is no thread.
func inThread(ts string) slack.MsgOption {
	if ts == "" {
		return slack.MsgOptionCompose()
	}
	return slack.MsgOptionTS(ts)
}

func sent(text string, b []slack.Block) []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionBlocks(b...), slack.MsgOptionText(text, false), slack.MsgOptionParse(false)}
}

// whisper shows a message to one person. Slack shows an ephemeral reply only in
// a thread that exists already, so the answer to a message outside a thread
// goes beside it.
func (r *responder) whisper(ctx context.Context, c chat.Content) (chat.Receipt, error) {
	var ts string
	err := r.inform(c, func(text string, b []slack.Block) (err error) {
		options := sent(text, b)
		if t := r.to.Place.Thread; t != string(r.to.ID) {
			options = append(options, inThread(t))
		}
		ts, err = r.app.api.PostEphemeralContext(ctx, r.to.Place.Channel, c.Only, options...)
		return err
	})
	return chat.Receipt{ID: chat.MessageID(ts)}, r.app.failed("post", err)
}

// Upload puts a file into the thread of the answer, in Slack's three steps.
func (r *responder) Upload(ctx context.Context, name string, data []byte, comment string) (chat.Receipt, error) {
	if len(data) == 0 {
		data = []byte("\n") // Slack takes no empty file
	}
	where, err := r.app.api.GetUploadURLExternalContext(ctx, slack.GetUploadURLExternalParameters{FileName: name, FileSize: len(data)})
	if err != nil {
		return chat.Receipt{}, r.app.failed("upload", err)
	}
	err = r.app.api.UploadToURL(ctx, slack.UploadToURLParameters{UploadURL: where.UploadURL, Filename: name, Content: string(data)})
	if err != nil {
		return chat.Receipt{}, r.app.failed("upload", err)
	}
	params := slack.CompleteUploadExternalParameters{
		Files:   []slack.FileSummary{{ID: where.FileID, Title: name}},
		Channel: r.to.Place.Channel, ThreadTimestamp: r.thread(),
	}
	if comment != "" {
		params.InitialComment = notification(comment)
	}
	_, err = r.app.api.CompleteUploadExternalContext(ctx, params)
	return chat.Receipt{ID: chat.MessageID(where.FileID)}, r.app.failed("upload", err)
}
