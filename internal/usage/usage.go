// Package usage records what answers cost: tokens and dollars by person,
// channel, model and day.
package usage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"parley/internal/inbox"
	"parley/internal/provider"
)

// KeepFor is how long to keep a day's usage.
const KeepFor = 400 * 24 * time.Hour

// Entry is what one answer used.
type Entry struct {
	Scope, Bot, Provider, Model, User, Channel string

	In, Out   int      // tokens
	Cost      *float64 // USD; nil if the price is unknown
	Estimated bool     // the endpoint reported no usage, so it was estimated from the text
	At        time.Time
}

// Price is the cost of tokens in USD, nil without a price.
func Price(p *provider.Pricing, in, out int) *float64 {
	if p == nil {
		return nil
	}
	return new((float64(in)*p.Input + float64(out)*p.Output) / 1e6)
}

// Ledger reads and writes usage: one hash per scope and day, with fields for
// bot, provider, model, user and channel, and what is counted.
type Ledger struct {
	client redis.UniversalClient
	key    func(scope string, parts ...string) string
	scopes func(ctx context.Context) ([]string, error)
}

// New makes a Ledger; key and scopes are the inbox's.
func New(client redis.UniversalClient, key func(string, ...string) string, scopes func(context.Context) ([]string, error)) *Ledger {
	return &Ledger{client: client, key: key, scopes: scopes}
}

const separator = "\x1f"

// Add is the write that records e, for closing a turn. It records a known cost
// even if it is 0: the field's presence tells free answers from unknown
// prices.
func (l *Ledger) Add(e Entry) inbox.Write {
	field := strings.Join([]string{e.Bot, e.Provider, e.Model, e.User, e.Channel}, separator) + separator
	counts := map[string]float64{field + "answers": 1, field + "in": float64(e.In), field + "out": float64(e.Out)}
	if e.Cost != nil {
		counts[field+"cost"] = *e.Cost
	}
	if e.Estimated {
		counts[field+"estimated"] = 1
	}
	return inbox.Write{Key: l.key(e.Scope, "usage", day(e.At)), Increments: counts, TTL: KeepFor}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// By is what a report is grouped by.
type By string

// The groupings of a report.
const (
	ByUser    By = "user"
	ByChannel By = "channel"
	ByModel   By = "model"
	ByDay     By = "day"
)

// Row is one line of a report.
type Row struct {
	Key       string   `json:"key"`
	Answers   int      `json:"answers"`
	In        int      `json:"inputTokens"`
	Out       int      `json:"outputTokens"`
	Cost      *float64 `json:"costUSD"`   // of the answers whose price is known; nil where none is
	Unpriced  int      `json:"unpriced"`  // answers for which no price is known
	Estimated int      `json:"estimated"` // answers whose tokens were counted from the text
}

// usd is the known part of the cost.
func (r Row) usd() float64 {
	if r.Cost == nil {
		return 0
	}
	return *r.Cost
}

// Filter narrows a report; empty fields match everything.
type Filter struct {
	Scope, User string
}

// Report sums the days from since to until (UTC, inclusive), most expensive
// first; by day, in order.
func (l *Ledger) Report(ctx context.Context, by By, f Filter, since, until time.Time) ([]Row, error) {
	scopes := []string{f.Scope}
	if f.Scope == "" {
		var err error
		if scopes, err = l.scopes(ctx); err != nil {
			return nil, fmt.Errorf("list scopes: %w", err)
		}
	}
	rows := map[string]*Row{}
	for d := since.UTC().Truncate(24 * time.Hour); !d.After(until); d = d.AddDate(0, 0, 1) {
		for _, scope := range scopes {
			counts, err := l.client.HGetAll(ctx, l.key(scope, "usage", day(d))).Result()
			if err != nil {
				return nil, fmt.Errorf("read usage: %w", err)
			}
			for field, value := range counts {
				count(rows, by, f, day(d), counts, field, value)
			}
		}
	}
	out := make([]Row, 0, len(rows))
	for _, row := range rows {
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b Row) int {
		if by == ByDay {
			return cmp.Compare(a.Key, b.Key)
		}
		return cmp.Or(cmp.Compare(b.usd(), a.usd()), cmp.Compare(b.In+b.Out, a.In+a.Out), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

// count adds one field of a day's hash to its row.
func count(rows map[string]*Row, by By, f Filter, day string, counts map[string]string, field, value string) {
	part := strings.Split(field, separator)
	n, err := strconv.ParseFloat(value, 64)
	if len(part) != 6 || err != nil || f.User != "" && part[3] != f.User {
		return
	}
	key := day
	switch by {
	case ByUser:
		key = part[3]
	case ByChannel:
		key = part[4]
	case ByModel:
		key = part[1] + "/" + part[2]
	case ByDay:
	}
	row, ok := rows[key]
	if !ok {
		row = &Row{Key: key}
		rows[key] = row
	}
	switch part[5] {
	case "answers":
		row.Answers += int(n)
		if _, priced := counts[strings.TrimSuffix(field, "answers")+"cost"]; !priced {
			row.Unpriced += int(n)
		}
	case "in":
		row.In += int(n)
	case "out":
		row.Out += int(n)
	case "cost":
		row.Cost = new(row.usd() + n)
	case "estimated":
		row.Estimated += int(n)
	}
}
