// What answers cost.

package relay

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"parley/internal/chat"
	"parley/internal/conversation"
	"parley/internal/inbox"
	"parley/internal/usage"
)

// countUsage is the sink of the usage. Where the endpoint reported no tokens they
// are estimated from the text, and marked so.
func (r *Relay) countUsage(_ context.Context, ended ended, _ *slog.Logger) []inbox.Write {
	q := ended.question
	e := usage.Entry{
		Scope: q.Scope, Bot: ended.bot.ID, User: q.Author.ID, Channel: q.Place.Channel, At: time.Now(),
		Provider: ended.target.provider.ID, Model: ended.target.model,
	}
	switch {
	case ended.usage != nil:
		e.In, e.Out = ended.usage.PromptTokens, ended.usage.CompletionTokens
	case ended.text != "":
		w := conversation.Window{PerToken: r.calibration.of(ended.target.ref())}
		e.In, e.Out, e.Estimated = w.Sent(ended.sent), w.Tokens(ended.text), true
	}
	e.Cost = usage.Price(ended.target.pricing(), e.In, e.Out)
	r.metrics.Tokens(e.Provider, e.In, e.Out)
	return []inbox.Write{r.ledger.Add(e)}
}

// usageDays is how far back /usage looks.
const usageDays = 30

// usageWords are what /usage takes: everybody's figures, by what.
func usageWords() map[string]usage.By {
	return map[string]usage.By{"all": usage.ByUser, "user": usage.ByUser, "channel": usage.ByChannel, "model": usage.ByModel, "day": usage.ByDay}
}

// mayUsage shows everybody's figures to admins only.
func mayUsage(ctx context.Context, c command) error {
	if _, all := usageWords()[c.Args]; all {
		return mayAdminister(ctx, c)
	}
	return nil
}

// doUsage shows one's own figures, or everybody's.
func (r *Relay) doUsage(ctx context.Context, c command) (chat.Reply, error) {
	filter, title := usage.Filter{Scope: c.Scope}, "Everybody"
	by, all := usageWords()[c.Args]
	switch {
	case c.Args == "":
		filter.User, by, title = c.Author.ID, usage.ByModel, "You"
	case !all:
		return chat.Reply{}, chat.Tell("/usage takes nothing, or for admins: all, user, channel, model or day.")
	}
	now := time.Now()
	rows, err := r.ledger.Report(ctx, by, filter, now.AddDate(0, 0, 1-usageDays), now)
	if err != nil {
		return chat.Reply{}, err
	}
	if len(rows) == 0 {
		return chat.Reply{Text: fmt.Sprintf("Nothing was used in the last %d days.", usageDays)}, nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, last %d days, by %s:\n\n", title, usageDays, by)
	for _, row := range rows[:min(len(rows), 30)] {
		fmt.Fprintf(&text, "- `%s`: %s, %s in, %d out", row.Key, chat.Count(row.Answers, "answer"), chat.Count(row.In, "token"), row.Out)
		switch {
		case row.Cost == nil:
			text.WriteString(", no price known")
		case row.Unpriced > 0:
			fmt.Fprintf(&text, ", %s (%d without a price)", chat.Dollars(row.Cost), row.Unpriced)
		default:
			text.WriteString(", " + chat.Dollars(row.Cost))
		}
		if row.Estimated > 0 {
			fmt.Fprintf(&text, " (%d estimated)", row.Estimated)
		}
		text.WriteString("\n")
	}
	return chat.Reply{Text: strings.TrimSpace(text.String())}, nil
}
