// What answers cost.

package relay

import (
	"context"
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
	filter := usage.Filter{Scope: c.Scope}
	by, all := usageWords()[c.Args]
	switch {
	case c.Args == "":
		filter.User, by = c.Author.ID, usage.ByModel
	case !all:
		return chat.Reply{}, chat.Tell("/usage takes nothing, or for admins: all, user, channel, model or day.")
	}
	now := time.Now()
	rows, err := r.ledger.Report(ctx, by, filter, now.AddDate(0, 0, 1-usageDays), now)
	if err != nil {
		return chat.Reply{}, err
	}
	if len(rows) == 0 {
		return c.reply(chat.Say("Nothing was used in the last %d days.", usageDays)), nil
	}
	var text strings.Builder
	text.WriteString(c.say(usageTitle(by, all)) + "\n\n")
	for _, row := range rows[:min(len(rows), 30)] {
		text.WriteString("- " + c.say(used(row)) + "\n")
	}
	return chat.Reply{Text: strings.TrimSpace(text.String())}, nil
}

// usageTitle is the line above the figures: everybody's, or one's own.
func usageTitle(by usage.By, all bool) chat.Line {
	switch {
	case !all:
		return chat.Say("You, last %d days, by model:", usageDays)
	case by == usage.ByChannel:
		return chat.Say("Everybody, last %d days, by channel:", usageDays)
	case by == usage.ByModel:
		return chat.Say("Everybody, last %d days, by model:", usageDays)
	case by == usage.ByDay:
		return chat.Say("Everybody, last %d days, by day:", usageDays)
	}
	return chat.Say("Everybody, last %d days, by user:", usageDays)
}

// used is a row of figures.
func used(row usage.Row) chat.Line {
	cost := chat.Verbatim(chat.Dollars(row.Cost))
	switch {
	case row.Cost == nil:
		cost = chat.Say("no price known")
	case row.Unpriced > 0:
		cost = chat.Say("%s (%d without a price)", chat.Dollars(row.Cost), row.Unpriced)
	}
	answers, tokens := chat.SayCount(row.Answers, "%d answer", "%d answers"), chat.SayCount(row.In, "%d token", "%d tokens")
	if row.Estimated > 0 {
		return chat.Say("`%s`: %s, %s in, %d out, %s (%d estimated)", row.Key, answers, tokens, row.Out, cost, row.Estimated)
	}
	return chat.Say("`%s`: %s, %s in, %d out, %s", row.Key, answers, tokens, row.Out, cost)
}
