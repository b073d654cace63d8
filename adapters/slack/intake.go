// By which ways events, commands and interactions reach an app, and which apps
// share them.

package slack

import (
	"cmp"
	"log/slog"
	"time"

	"parley/bots"
	"parley/internal/telemetry"
)

// intake is the ways in of one app.
type intake struct {
	appToken      string
	signingSecret string
	wire          *wire             // Socket Mode, with those that have the same app token; nil without one
	signedAlike   []*app            // those with the same signing secret, itself among them
	within        time.Duration     // answerWithin, unless a test has more patience
	storing       *telemetry.Outage // of the inbox
}

func newIntake(group []bots.Bot, log *slog.Logger) intake {
	in := intake{within: answerWithin, storing: telemetry.NewOutage(log, "an event could not be stored; Slack will send it again", "events are stored again")}
	for _, b := range group {
		in.appToken = cmp.Or(in.appToken, section(b).Value(appToken))
		in.signingSecret = cmp.Or(in.signingSecret, section(b).Value(signingSecret))
	}
	return in
}

// share tells every app which others have its app token, and which its signing
// secret. Those with one app token have one pair of connections.
func share(apps []*app) {
	wires := map[string]*wire{}
	for _, a := range apps {
		if a.intake.appToken != "" {
			w := wires[a.intake.appToken]
			if w == nil {
				w = &wire{stagger: lineStagger, outage: telemetry.NewOutage(a.log, "a Socket Mode connection failed; trying again", "Socket Mode connects again")}
				wires[a.intake.appToken] = w
			}
			a.intake.wire, w.apps = w, append(w.apps, a)
		}
		for _, other := range apps {
			if a.intake.signingSecret != "" && other.intake.signingSecret == a.intake.signingSecret {
				a.intake.signedAlike = append(a.intake.signedAlike, other)
			}
		}
	}
}
