// One Slack app: its client, who it is, and whether it is connected.

package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"parley/adapters/internal/background"
	"parley/adapters/internal/redact"
	"parley/adapters/internal/retry"
	"parley/bots"
	"parley/internal/chat"
	"parley/internal/fault"
	"parley/internal/telemetry"
)

// identity is what auth.test says of a token.
type identity struct {
	App  string // bot id: one per app and workspace, so it names the app in scopes
	User string // the bot's user id, as people mention it
	Team string
	// Organisation is the Enterprise organisation that Team is of, or for whose
	// workspaces the token is; empty outside one.
	Organisation string
}

// app is one Slack app with the bots that share it.
type app struct {
	ports    chat.Ports
	lead     bots.Bot
	bots     []string
	groups   []string // user groups that the bots' access rules name
	token    string
	appToken string
	secret   string // signing secret
	secrets  redact.Secrets
	apiURL   *url.URL
	api      *slack.Client
	http     *http.Client
	caller   doer // of the Web API, with the token
	limit    UpdateLimit
	within   time.Duration // answerWithin, unless a test has more patience
	log      *slog.Logger
	metrics  *telemetry.Metrics
	// reach is of the calls that say who the app is, storing of the inbox.
	reach, storing *telemetry.Outage

	self  atomic.Pointer[identity]
	known chan struct{} // closed once self is set
	// barred says that Slack refused the token when asked whose it is, so that
	// self may never be set.
	barred atomic.Bool

	wire        *wire  // Socket Mode, with those that have the same app token; nil without one
	signedAlike []*app // those with the same signing secret, itself among them

	mu      sync.Mutex
	problem string // why no call to Slack can work
	lost    bool   // problem came from a refused call

	historyFrom atomic.Pointer[time.Time] // no history is asked for before: Slack said to slow down

	members    members
	indicators indicators
	background *background.Group
	streaming  streaming
}

func newApp(group []bots.Bot, token string, apiURL *url.URL, o Options) *app {
	lead := group[0]
	a := &app{
		ports: o.Ports, lead: lead, token: token, apiURL: apiURL, http: o.HTTPClient, limit: o.UpdateLimit, within: answerWithin,
		metrics: o.Metrics, known: make(chan struct{}), problem: "not connected yet",
		members:   members{asking: make(chan struct{}, 1), slow: make(chan struct{}, 1)},
		streaming: streaming{auto: o.StreamMode == "auto"},
		log:       o.Log.With("platform", platform, "bot", lead.ID),
	}
	a.background = background.New(a.log)
	a.reach = telemetry.NewOutage(a.log, "slack app not connected; trying again", "Slack answers again")
	a.storing = telemetry.NewOutage(a.log, "an event could not be stored; Slack will send it again", "events are stored again")
	for _, b := range group {
		a.bots = append(a.bots, b.ID)
		a.groups = append(a.groups, b.NamedGroups()...)
		if a.appToken == "" {
			a.appToken = section(b).Value(appToken)
		}
		if a.secret == "" {
			a.secret = section(b).Value(signingSecret)
		}
	}
	a.secrets = redact.Of(a.token, a.appToken, a.secret)
	a.historyFrom.Store(new(time.Time{}))
	a.caller = bearer{limitedByHeader{o.HTTPClient}, apiURL, token}
	a.api = slack.New(token, slack.OptionAPIURL(o.APIURL), slack.OptionAppLevelToken(a.appToken),
		slack.OptionHTTPClient(withoutEcho{a.caller}), slack.OptionLog(quiet{}))
	return a
}

// run connects and keeps the app connected until ctx ends.
func (a *app) run(ctx context.Context) {
	if !a.identify(ctx) {
		return
	}
	if a.wire == nil {
		if a.secret == "" {
			a.fail("neither slack.app_token (Socket Mode) nor slack.signing_secret (HTTP) is set, so no event can arrive")
		}
		return
	}
	a.wire.once.Do(func() { a.holdLines(ctx) })
}

// identify asks who the token belongs to until Slack answers. A refused token
// is asked about again now and then: it may be reinstated.
func (a *app) identify(ctx context.Context) bool {
	pauses := retry.Growing(time.Second, longestPause)
	for {
		who, err := a.api.AuthTestContext(ctx)
		if err == nil {
			a.identified(ctx, who)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		err = a.classify(err)
		wait := a.unidentified(err, pauses)
		a.reach.Note(ctx, errors.New(cause(err)), "again_in", wait.Round(time.Millisecond).String())
		if !retry.Sleep(ctx, wait) {
			return false
		}
	}
}

// longestPause is the most between two questions whose a token is.
const longestPause = time.Minute

func (a *app) identified(ctx context.Context, who *slack.AuthTestResponse) {
	id := identity{App: cmp.Or(who.BotID, who.UserID), User: who.UserID, Team: who.TeamID, Organisation: who.EnterpriseID}
	a.self.Store(&id)
	a.fail("") // before anybody can call: what a call learns must stand
	close(a.known)
	a.reach.Note(ctx, nil)
	a.log.InfoContext(ctx, "slack app connected", "team", id.Team, "bot_user", id.User)
}

// unidentified notes why nobody knows whose the token is, and says when to ask
// again.
func (a *app) unidentified(err error, pauses *retry.Pauses) time.Duration {
	switch {
	case chat.Refused(err, chat.NoAccess):
		a.barred.Store(true)
		a.fail(a.refusedToken(cause(err)))
	case chat.Refused(err):
		a.fail(fmt.Sprintf("What answers at SLACK_API_URL is not Slack (%s)", cause(err)))
	default:
		a.fail(fmt.Sprintf("Slack cannot be reached: %s", cause(err)))
		return pauses.NextBackOff()
	}
	return retry.AtLeast(longestPause)
}

// whoami waits a moment for the app's identity: events may arrive before the
// first auth.test has come back.
func (a *app) whoami(ctx context.Context) (identity, bool) {
	select {
	case <-a.known:
	default:
		t := time.NewTimer(whoamiWithin)
		defer t.Stop()
		select {
		case <-a.known:
		case <-t.C:
			return identity{}, false
		case <-ctx.Done():
			return identity{}, false
		}
	}
	return *a.self.Load(), true
}

// fail records why the app is not connected; "" that it is.
func (a *app) fail(problem string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.problem, a.lost = problem, false
}

// notice keeps the app's health true while it works: a call that is refused
// for the token's sake makes it ill, one that succeeds makes it well.
func (a *app) notice(word string) {
	switch word {
	case "":
	case "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed":
	default:
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case word == "" && a.lost:
		a.problem, a.lost = "", false
	case word != "" && a.problem == "":
		a.problem, a.lost = a.refusedToken(word), true
		a.log.Error("Slack no longer takes the bot token", "reason", word)
	}
}

func (a *app) refusedToken(why string) string {
	return fmt.Sprintf("Slack refuses the bot token (%s): check slack.bot_token of bot %s", why, a.lead.ID)
}

// health is whether events reach the app and answers leave it. One Socket Mode
// connection of the two is enough.
func (a *app) health() chat.Health {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.problem != "":
		return chat.Health{Reason: a.problem}
	case a.wire != nil:
		return a.wire.health()
	}
	return chat.Health{OK: true}
}

// guard keeps a defect in one request from ending the server; it gives false.
func (a *app) guard(ctx context.Context, f func()) bool {
	err := fault.Guard(func() error { f(); return nil })
	if err != nil {
		a.log.ErrorContext(ctx, "a defect ended a Slack request", "error", err)
	}
	return err == nil
}

// trusts reports whether a URL that Slack gave may be called: Slack's own hosts
// over https, or the host of SLACK_API_URL.
func (a *app) trusts(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if u.Scheme == a.apiURL.Scheme && strings.EqualFold(u.Host, a.apiURL.Host) {
		return true
	}
	host := strings.ToLower(u.Hostname())
	return u.Scheme == "https" && (host == "slack.com" || strings.HasSuffix(host, ".slack.com") ||
		host == "slack-gov.com" || strings.HasSuffix(host, ".slack-gov.com"))
}
