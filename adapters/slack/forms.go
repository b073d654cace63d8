// Forms as modals: opened with a trigger, checked on submission, with errors at
// the fields.

package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/prompt"
	"parley/internal/chat"
)

const (
	formCallback = "parley.form"
	fieldAction  = "value"
	maxFieldText = 3000
)

// view is a submitted modal.
type view struct {
	CallbackID      string `json:"callback_id"`
	PrivateMetadata string `json:"private_metadata"`
	InstalledTeam   string `json:"app_installed_team_id"`
	State           struct {
		Values map[string]map[string]struct {
			Value *string `json:"value"`
		} `json:"values"`
	} `json:"state"`
}

// origin travels in a modal's private_metadata: where it was asked for. It
// holds nothing that a person typed.
type origin struct {
	Form   string     `json:"form"`
	Scope  string     `json:"scope"`
	Place  chat.Place `json:"place"`
	Fields []string   `json:"fields"`
}

// openForm shows a form. The trigger lives for three seconds.
func (a *app) openForm(ctx context.Context, f chat.Form, scope string, o replyTarget) error {
	from := origin{Form: f.ID, Scope: scope, Place: o.place}
	say := a.speaker(o.user.ID).Say
	v := slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: formCallback, Title: plainObject(f.Title, 24),
		Submit: plainObject(cmp.Or(f.Submit, say(chat.Say("Save"))), 24), Close: plainObject(say(chat.Say("Cancel")), 24),
	}
	for _, field := range f.Fields {
		from.Fields = append(from.Fields, field.ID)
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, inputBlock(field, say))
	}
	metadata, err := json.Marshal(from)
	if err != nil {
		return err
	}
	v.PrivateMetadata = string(metadata)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if _, err = a.api.OpenViewContext(ctx, o.triggerID, v); err != nil {
		if strings.Contains(err.Error(), "expired_trigger_id") {
			return &chat.UserError{Line: chat.Say("Slack gave up waiting for the form. Try again."), Err: a.classify(err)}
		}
		return a.classify(err)
	}
	return nil
}

func inputBlock(f chat.Field, say func(chat.Line) string) slack.Block {
	input := slack.NewPlainTextInputBlockElement(nil, fieldAction)
	if f.Placeholder != "" {
		input.Placeholder = plainObject(f.Placeholder, 150)
	}
	input.Multiline = f.Multiline
	input.MaxLength = maxFieldText
	if f.MaxLength > 0 && f.MaxLength < maxFieldText {
		input.MaxLength = f.MaxLength
	}
	input.InitialValue = f.Value
	if r := []rune(f.Value); len(r) > input.MaxLength {
		input.InitialValue = string(r[:input.MaxLength])
	}
	text := f.Hint
	if f.Secret { // Slack has no field that hides what is typed
		text = strings.TrimSpace(text + " " + say(chat.Say("Slack shows this while you type. It is never shown again.")))
	}
	var hint *slack.TextBlockObject
	if text != "" {
		hint = plainObject(text, 2000)
	}
	return slack.NewInputBlock(f.ID, plainObject(cmp.Or(f.Label, f.ID), 2000), hint, input).WithOptional(f.Optional)
}

// submitAnswer keeps a modal open with errors at its fields.
type submitAnswer struct {
	Action string            `json:"response_action"`
	Errors map[string]string `json:"errors,omitempty"`
}

// submitted hands a filled form to the desk. With errors the form stays open;
// otherwise it closes and what came of it is said to the person alone. A desk
// that takes longer than Slack waits answers the same way.
func (a *app) submitted(ctx context.Context, arrived time.Time, i interaction) *submitAnswer {
	var from origin
	if i.View.CallbackID != formCallback || json.Unmarshal([]byte(i.View.PrivateMetadata), &from) != nil {
		return nil
	}
	s := chat.Submission{Form: from.Form, Values: i.View.values(), Scope: from.Scope, Bot: a.lead.ID, Place: from.Place}
	o := i.target(from.Place.Workspace)
	o.place, o.responseURL = from.Place, ""
	s.Author = o.user

	answer, _ := prompt.Ask(ctx, a.background, arrived.Add(a.intake.within), commandLife, func(ctx context.Context, give func(*submitAnswer) bool) {
		tell := func(r chat.Reply) {
			if said := a.reply(r, o); said != nil {
				a.tell(ctx, o, *said)
			}
		}
		outcome, err := a.ports.Desk.Submit(ctx, s)
		switch errs := outcome.Errors; {
		case err != nil:
			give(nil)
			tell(chat.Reply{Text: a.sorry(o, err, "form", from.Form)})
		case len(errs) > 0 && !give(&submitAnswer{Action: "errors", Errors: atFields(errs, from.Fields)}):
			// The form is closed by now: its errors are told like a result.
			tell(chat.Reply{Text: a.speaker(o.user.ID).Say(chat.Say("The form could not be saved:")) + "\n" + strings.Join(slices.Sorted(maps.Values(errs)), "\n")})
		case len(errs) == 0 && outcome.Then != nil:
			give(nil)
			tell(outcome.Then(ctx))
		}
	})
	return answer
}

func (v view) values() map[string]string {
	out := map[string]string{}
	for block, actions := range v.State.Values {
		if e, ok := actions[fieldAction]; ok && e.Value != nil {
			out[block] = strings.TrimSpace(*e.Value)
		} else {
			out[block] = ""
		}
	}
	return out
}

// atFields puts errors that name no field of the form at its first one: Slack
// refuses an answer with any other.
func atFields(errs map[string]string, fields []string) map[string]string {
	out := map[string]string{}
	for _, field := range slices.Sorted(maps.Keys(errs)) {
		at := field
		if !slices.Contains(fields, field) && len(fields) > 0 {
			at = fields[0]
		}
		if out[at] != "" {
			out[at] += " " + errs[field]
			continue
		}
		out[at] = errs[field]
	}
	for at, text := range out {
		if r := []rune(text); len(r) > 2000 {
			out[at] = fmt.Sprint(string(r[:1999]), "…")
		}
	}
	return out
}
