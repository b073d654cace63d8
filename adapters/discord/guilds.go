// Which servers (guilds) are trusted. Anybody can invite a public bot to a server
// of their own, where they have Manage Server: without a list, strangers could
// change the registry. Trusted servers are those in the bots' files, or without
// any, those the bot was in at its first start; and those that an operator
// admitted. An unknown server is not trusted.

package discord

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"parley/adapters/internal/kept"
	"parley/adapters/internal/retry"
	"parley/internal/chat"
)

// Records stores small values that several processes change. Read returns "" for a
// missing value. Swap replaces old by next if old is still the value, and in the
// same step adds notes to the audit trail. First returns true to the first caller
// within a time.
type Records interface {
	Read(ctx context.Context, key string) (string, error)
	Swap(ctx context.Context, key, old, next string, notes ...chat.Change) (bool, error)
	First(ctx context.Context, key string, within time.Duration) (bool, error)
}

// Why the list cannot be read or changed.
var (
	errNotKnown = errors.New("which servers are trusted is not known yet")
	errBusy     = errors.New("others changed the list of servers at the same time; try again")
)

const (
	recordAge   = 2 * time.Second // how old the list may be; another process may change it
	recordLimit = 2 * time.Second // for reading it
	learnAgain  = 5 * time.Second // pause after a failure, for callers that do not insist
	guildPage   = 200             // guilds per page, Discord's maximum
	mostJoined  = 100             // guilds to search for the one that was joined first
)

// trusted is an application's list as it is stored.
type trusted struct {
	Started time.Time            `json:"started,omitzero"` // when the first start stored its list
	Open    bool                 `json:"open,omitempty"`   // that list was empty: the first guild the bot joins is trusted
	Guilds  map[string]keptGuild `json:"guilds,omitempty"`
}

type keptGuild struct {
	Name   string    `json:"name,omitempty"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// trust is one application's list. It is safe for concurrent use.
type trust struct {
	app     *app
	records Records
	named   map[string]string // by guild: the bot's file that names it

	mu    sync.Mutex
	now   trusted
	raw   string // now, as stored
	read  time.Time
	fault error // why the last attempt to read or learn it failed

	// snapshot has now and fault for callers that cannot wait for mu, which is held
	// while the store is read.
	snapshot atomic.Pointer[snapshot]

	learning chan struct{} // holds one token, for whoever asks Discord
	failed   time.Time     // when the last attempt to learn failed; needs the token

	people    *kept.Cache[bool] // by guild and user: whether they are a member
	barred    *kept.Cache[bool] // guilds that do not say who is a member
	lookups   chan struct{}     // limits the lookups of people
	sentences chan struct{}     // limits the posts for people who are turned away
}

// snapshot is the list as it was known last.
type snapshot struct {
	now   trusted
	fault error
}

// publish updates the snapshot; mu is held.
func (t *trust) publish() { t.snapshot.Store(&snapshot{t.now, t.fault}) }

func newTrust(a *app, r Records) *trust {
	t := &trust{
		app: a, records: r, named: map[string]string{}, learning: make(chan struct{}, 1), people: kept.New[bool](mostKept, personAge),
		barred: kept.New[bool](mostKept, barredAge), lookups: make(chan struct{}, lookupsAtOnce), sentences: make(chan struct{}, sentencesAt),
	}
	t.publish()
	for _, b := range a.bots {
		for _, id := range section(b).List(guildList) {
			if !t.inFile(id) {
				t.named[id] = cmp.Or(b.File, b.ID)
			}
		}
	}
	return t
}

// inFile reports whether a bot's file names the guild.
func (t *trust) inFile(guild string) bool { return t.named[guild] != "" }

func (t *trust) key() (string, error) {
	user, _ := t.app.identity.known()
	if user == "" {
		return "", errNotKnown
	}
	return platform + "/guilds/" + user, nil
}

// load returns the stored list, at most recordAge old, or the last one known if the
// store does not answer.
func (t *trust) load(ctx context.Context) (trusted, error) {
	key, err := t.key()
	if err != nil {
		return trusted{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.read.IsZero() && time.Since(t.read) < recordAge {
		return t.now, nil
	}
	if err := t.refresh(ctx, key); err != nil && t.raw == "" {
		return trusted{}, err
	}
	return t.now, nil
}

// refresh reads the stored list; mu is held.
func (t *trust) refresh(ctx context.Context, key string) error {
	defer t.publish()
	ctx, cancel := context.WithTimeout(ctx, recordLimit)
	defer cancel()
	raw, err := t.records.Read(ctx, key)
	if err == nil && raw == "" && t.raw != "" {
		// The store has lost the list. Learning it again would trust everyone who
		// invited the bot since.
		if _, err = t.records.Swap(ctx, key, "", t.raw); err == nil {
			raw, err = t.records.Read(ctx, key)
		}
	}
	var now trusted
	if err == nil && raw != "" {
		err = json.Unmarshal([]byte(raw), &now)
	}
	if err != nil {
		if t.raw != "" {
			t.read = time.Now() // do not try again at once
		}
		t.fault = err
		return err
	}
	t.now, t.raw, t.read, t.fault = now, raw, time.Now(), nil
	return nil
}

// Changes of the list, as the audit trail names them.
const (
	actionAdmit  = "guild.admit"
	actionRemove = "guild.remove"
)

// mostNoted is how many guilds of one change the audit trail names.
const mostNoted = 500

// change applies f to the newest list and stores the result. f reports whether it
// changed anything, and the guilds for which the audit trail gets action; it may
// run several times.
func (t *trust) change(ctx context.Context, by chat.Actor, action string, f func(now *trusted) (guilds []string, changed bool)) error {
	key, err := t.key()
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for range 20 {
		if err := t.refresh(ctx, key); err != nil {
			return err
		}
		next := t.now
		if next.Guilds = maps.Clone(next.Guilds); next.Guilds == nil {
			next.Guilds = map[string]keptGuild{}
		}
		guilds, changed := f(&next)
		if !changed {
			return nil
		}
		var notes []chat.Change
		for _, id := range guilds[:min(len(guilds), mostNoted)] {
			notes = append(notes, chat.Change{By: by, Action: action, Target: id})
		}
		raw, err := json.Marshal(next)
		if err != nil {
			return err
		}
		done, err := t.records.Swap(ctx, key, t.raw, string(raw), notes...)
		if err != nil {
			return err
		}
		if done {
			t.now, t.raw, t.read = next, string(raw), time.Now()
			t.publish()
			return nil
		}
	}
	return errBusy
}

// holds reports whether a guild is trusted according to now.
func (t *trust) holds(now trusted, guild string) bool {
	if t.inFile(guild) {
		return true
	}
	kept, ok := now.Guilds[guild]
	return ok && (kept.Source == chat.FromOperator || len(t.named) == 0)
}

// trusts reports whether a guild is trusted. With an error, which means that this
// is not known, it is not.
func (t *trust) trusts(ctx context.Context, guild string) (bool, error) {
	if t.inFile(guild) {
		return true, nil
	}
	now, err := t.current(ctx)
	if err != nil {
		return false, err
	}
	if t.holds(now, guild) {
		return true, nil
	}
	if len(t.named) > 0 || !now.Open {
		return false, nil
	}
	if err := t.joined(ctx); err != nil {
		return false, err
	}
	now, err = t.load(ctx)
	return err == nil && t.holds(now, guild), err
}

// current returns the list, and learns it first if necessary.
func (t *trust) current(ctx context.Context) (trusted, error) {
	now, err := t.load(ctx)
	if err == nil && (len(t.named) > 0 || !now.Started.IsZero()) {
		return now, nil
	}
	if err := t.learn(ctx, false); err != nil {
		if len(t.named) > 0 {
			return now, nil // servers an operator admitted are unknown, so not trusted
		}
		return now, err
	}
	return t.load(ctx)
}

// known reports whether the list is known, and if not, why. It makes no call.
func (t *trust) known() (bool, string) {
	switch o := t.snapshot.Load(); {
	case len(t.named) > 0 || !o.now.Started.IsZero():
		return true, ""
	case o.fault != nil:
		return false, "the servers it may answer in could not be listed: " + short(o.fault)
	}
	return false, "the servers it may answer in are not known yet"
}

// open reports whether the first guild the bot joins will be trusted. It makes no
// call.
func (t *trust) open() bool {
	return t.snapshot.Load().now.Open && len(t.named) == 0
}

// keep learns the list, trying again until it succeeds or ctx ends.
func (t *trust) keep(ctx context.Context) {
	for pauses := retry.Growing(time.Second, time.Minute); ; {
		err := t.learn(ctx, true)
		if err == nil || ctx.Err() != nil || status(err) == http.StatusUnauthorized {
			return // the gateway reports a refused token
		}
		pause := pauses.NextBackOff()
		t.app.log.WarnContext(ctx, "discord servers not listed; until they are, no server is trusted that no file names", slog.String("error", short(err)), slog.String("pause", pause.String()))
		if !retry.Sleep(ctx, pause) {
			return
		}
	}
}

// learn stores the list of the first start if there is none. Only one caller asks
// Discord at a time, and unless force is set, not soon after a failure.
func (t *trust) learn(ctx context.Context, force bool) error {
	if !t.lock(ctx) {
		return errNotKnown
	}
	defer func() { <-t.learning }()
	if !force && time.Since(t.failed) < learnAgain {
		return errNotKnown
	}
	err := t.first(ctx)
	if err != nil {
		t.failed = time.Now()
		t.mu.Lock()
		t.fault = err
		t.publish()
		t.mu.Unlock()
	}
	return err
}

// lock waits to be the only one who asks Discord. It returns false if ctx ends
// first.
func (t *trust) lock(ctx context.Context) bool {
	select {
	case t.learning <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// first stores the guilds the bot is in, unless that was done before.
func (t *trust) first(ctx context.Context) error {
	if err := t.app.identity.learnUser(ctx); err != nil {
		return err
	}
	if now, err := t.load(ctx); err != nil || !now.Started.IsZero() {
		return err
	}
	list, err := t.list(ctx)
	if err != nil {
		return err
	}
	stored := false
	err = t.change(ctx, chat.Actor{Kind: chat.BySystem}, actionAdmit, func(now *trusted) (admitted []string, _ bool) {
		if stored = now.Started.IsZero(); !stored {
			return nil, false
		}
		now.Started = time.Now().UTC()
		now.Open = len(list) == 0 && len(now.Guilds) == 0
		for _, g := range list {
			if _, there := now.Guilds[g.ID]; !there {
				now.Guilds[g.ID] = keptGuild{Name: g.Name, Source: chat.FromFirstStart, At: now.Started}
				admitted = append(admitted, g.ID)
			}
		}
		if len(t.named) > 0 {
			return nil, true // noted, but not trusted
		}
		return admitted, true
	})
	if err == nil && stored {
		t.logFirst(ctx, list)
	}
	return err
}

func (t *trust) logFirst(ctx context.Context, list []myGuild) {
	switch {
	case len(t.named) > 0:
		t.app.log.InfoContext(ctx, "discord servers at the first start noted; trusted are those the bots' files name and those that are admitted", slog.Int("count", len(list)))
	case len(list) == 0:
		t.app.log.InfoContext(ctx, "the bot is in no discord server yet; the first it joins will be trusted")
	default:
		var names []string
		for _, g := range list[:min(50, len(list))] {
			names = append(names, g.ID+" "+g.Name)
		}
		t.app.log.InfoContext(ctx, "discord servers the bot is in at its first start are trusted; others need parley guild admit",
			slog.Int("count", len(list)), slog.String("servers", strings.Join(names, ", ")))
	}
}

// myGuild is a guild that the bot is in.
type myGuild struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// list returns the guilds of all shards.
func (t *trust) list(ctx context.Context) ([]myGuild, error) {
	var all []myGuild
	for after := "0"; ; {
		var page []myGuild
		_, err := t.app.rest.do(ctx, call{
			method: http.MethodGet, path: fmt.Sprintf("/users/@me/guilds?limit=%d&after=%s", guildPage, after),
			route: "GET my guilds", name: "guilds", wait: true,
		}, &page)
		if err != nil {
			return nil, err
		}
		for _, g := range page {
			if !isSnowflake(g.ID) || compareIDs(after, g.ID) >= 0 {
				return nil, errors.New("discord lists its servers in no order")
			}
			after = g.ID
		}
		all = append(all, page...)
		if len(page) < guildPage {
			return all, nil
		}
	}
}

// joined trusts the guild that the bot joined first, if it was in none at its
// first start.
func (t *trust) joined(ctx context.Context) error {
	if !t.lock(ctx) {
		return errNotKnown
	}
	defer func() { <-t.learning }()
	if now, err := t.load(ctx); err != nil || !now.Open || len(t.named) > 0 {
		return err
	}
	list, err := t.list(ctx)
	if err != nil || len(list) == 0 {
		return err
	}
	first, err := t.earliest(ctx, list)
	if err != nil {
		return err
	}
	won := false
	err = t.change(ctx, chat.Actor{Kind: chat.BySystem}, actionAdmit, func(now *trusted) ([]string, bool) {
		if won = now.Open; won {
			now.Open = false
			now.Guilds[first.ID] = keptGuild{Name: first.Name, Source: chat.FromFirstStart, At: time.Now().UTC()}
		}
		return []string{first.ID}, won
	})
	if err == nil && won {
		t.app.log.InfoContext(ctx, "the first discord server the bot joined is trusted; others need parley guild admit", slog.String("guild", first.ID), slog.String("name", first.Name))
	}
	return err
}

// earliest returns the guild that the bot joined first.
func (t *trust) earliest(ctx context.Context, list []myGuild) (myGuild, error) {
	if len(list) == 1 {
		return list[0], nil
	}
	if len(list) > mostJoined {
		return myGuild{}, fmt.Errorf("the bot joined %d servers before any was trusted: admit them with parley guild admit", len(list))
	}
	user, _ := t.app.identity.known()
	var first myGuild
	var since time.Time
	for _, g := range list {
		var own struct {
			Joined time.Time `json:"joined_at"`
		}
		if _, err := t.app.rest.do(ctx, getMember(g.ID, user), &own); err != nil {
			return myGuild{}, err
		}
		if first.ID == "" || own.Joined.Before(since) {
			first, since = g, own.Joined
		}
	}
	return first, nil
}

// guilds returns the trusted guilds in the order of their ids.
func (t *trust) guilds(ctx context.Context) ([]chat.Guild, error) {
	now, err := t.current(ctx)
	if err != nil {
		return nil, err
	}
	var out []chat.Guild
	for _, id := range t.effective(now) {
		stored := now.Guilds[id]
		g := chat.Guild{ID: id, Name: cmp.Or(t.app.cache.guildName(id), stored.Name), Source: stored.Source, Since: stored.At}
		if t.inFile(id) {
			g.Source, g.Since = chat.FromFile, time.Time{}
		}
		out = append(out, g)
	}
	return out, nil
}

// admit trusts a guild from now on. created is false if it was trusted before.
func (t *trust) admit(ctx context.Context, by chat.Actor, guild string) (created bool, err error) {
	if t.inFile(guild) {
		return false, nil
	}
	if err := t.app.identity.learnUser(ctx); err != nil {
		return false, err
	}
	err = t.change(ctx, by, actionAdmit, func(now *trusted) ([]string, bool) {
		if created = !t.holds(*now, guild); created {
			now.Open = false
			now.Guilds[guild] = keptGuild{Name: t.app.cache.guildName(guild), Source: chat.FromOperator, At: time.Now().UTC()}
		}
		return []string{guild}, created
	})
	if err == nil && created {
		t.app.log.InfoContext(ctx, "discord server admitted", slog.String("guild", guild), slog.String("via", by.Via()))
	}
	return created && err == nil, err
}

// remove stops trusting a guild.
func (t *trust) remove(ctx context.Context, by chat.Actor, guild string) error {
	if file := t.named[guild]; file != "" {
		return &chat.NamedInFile{File: file}
	}
	if _, err := t.current(ctx); err != nil {
		return err
	}
	found := false
	err := t.change(ctx, by, actionRemove, func(now *trusted) ([]string, bool) {
		found = t.holds(*now, guild)
		delete(now.Guilds, guild)
		return []string{guild}, found
	})
	switch {
	case err != nil:
		return err
	case !found:
		return chat.ErrNotTrusted
	}
	t.app.log.InfoContext(ctx, "discord server no longer trusted", slog.String("guild", guild), slog.String("via", by.Via()))
	return nil
}

// Guilds lists the trusted servers of the bot's application.
func (a *Adapter) Guilds(ctx context.Context, bot string) ([]chat.Guild, error) {
	one := a.byBot[bot]
	if one == nil {
		return nil, chat.ErrNoApp
	}
	return one.trust.guilds(ctx)
}

// AdmitGuild trusts a server from now on, in every process. created is false if it
// was trusted before.
func (a *Adapter) AdmitGuild(ctx context.Context, by chat.Actor, bot, guild string) (created bool, err error) {
	one := a.byBot[bot]
	if one == nil {
		return false, chat.ErrNoApp
	}
	return one.trust.admit(ctx, by, guild)
}

// RemoveGuild stops trusting a server.
func (a *Adapter) RemoveGuild(ctx context.Context, by chat.Actor, bot, guild string) error {
	one := a.byBot[bot]
	if one == nil {
		return chat.ErrNoApp
	}
	return one.trust.remove(ctx, by, guild)
}
