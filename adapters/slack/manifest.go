// The app manifest: what a Slack app for a bot has to be, ready to paste.

package slack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"parley/internal/chat"
)

// appManifest is the app manifest for a bot, as JSON for Slack's "From a manifest"
// page. It asks for exactly the scopes and events that are used. With an app
// token in the bot's definition, or with neither a signing secret nor a baseURL,
// it asks for Socket Mode; otherwise Slack sends its requests to baseURL, the
// public https address of the server.
//
// Command names that Slack keeps for itself appear as /parley-NAME; they run
// the same command.
func appManifest(b chat.Profile, baseURL string) (chat.Manifest, error) {
	socket := b.Section.Value(appToken) != "" || b.Section.Value(signingSecret) == "" && baseURL == ""
	base := ""
	if !socket {
		u, err := url.Parse(baseURL)
		if err != nil || u.Host == "" || u.Scheme != "https" {
			return chat.Manifest{}, errors.New("with slack.signing_secret Slack sends its requests to this server: give its public https address")
		}
		base = strings.TrimSuffix(baseURL, "/") + "/slack/" + b.ID
	}
	at := func(path string) string {
		if socket {
			return ""
		}
		return base + path
	}
	name := limited(cmp.Or(b.Name, b.ID), 35)
	m := manifest{
		Display: manifestDisplay{Name: name, Description: limited(b.Description, 140)},
		Features: manifestFeatures{
			Home: manifestHome{MessagesTab: true},
			Bot:  manifestBot{Name: limited(cmp.Or(b.Name, b.ID), 80), Online: true},
		},
		OAuth: manifestOAuth{Scopes: manifestScopes{Bot: scopes()}},
		Settings: manifestSettings{
			Events:        manifestEvents{URL: at("/events"), Bot: subscriptions()},
			Interactivity: manifestInteractivity{Enabled: true, URL: at("/interactions")},
			Socket:        socket,
		},
	}
	for _, c := range chat.Words() {
		command := visibleName(c.Name, b.Section.Value(commandPrefix))
		if len(command) > 32 {
			return chat.Manifest{}, fmt.Errorf("bot %s: command %s is longer than Slack's 32 characters: shorten slack.command_prefix", b.ID, command)
		}
		m.Features.Commands = append(m.Features.Commands, manifestCommand{
			Command: command, URL: at("/commands"), Description: c.About.String(), Hint: c.Hint(),
		})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return chat.Manifest{}, err
	}
	return chat.Manifest{Text: out.String(), JSON: out.Bytes()}, nil
}

// scopes are the permissions of the bot token, each with what needs it.
func scopes() []string {
	return []string{
		"app_mentions:read", // app_mention
		"channels:history",  // message.channels, threads of public channels
		"chat:write",        // answers, status, ephemeral replies
		"commands",          // slash commands
		"files:write",       // the rest of a very long answer
		"groups:history",    // the same in private channels
		"im:history",        // direct messages
		"mpim:history",      // the same in group direct messages
		"reactions:write",   // the sign of thinking where a status cannot be set
		"usergroups:read",   // access.groups
		"users:read",        // who belongs to the workspace, and who administers it
	}
}

// subscriptions are the events of the bot user.
func subscriptions() []string {
	return []string{"app_mention", "message.channels", "message.groups", "message.im", "message.mpim"}
}

// limited is s cut to n characters.
func limited(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// The manifest's form: https://docs.slack.dev/reference/app-manifest.
type manifest struct {
	Display  manifestDisplay  `json:"display_information"`
	Features manifestFeatures `json:"features"`
	OAuth    manifestOAuth    `json:"oauth_config"`
	Settings manifestSettings `json:"settings"`
}

type manifestDisplay struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

type manifestFeatures struct {
	Home     manifestHome      `json:"app_home"`
	Bot      manifestBot       `json:"bot_user"`
	Commands []manifestCommand `json:"slash_commands"`
}

type manifestHome struct {
	HomeTab     bool `json:"home_tab_enabled"`
	MessagesTab bool `json:"messages_tab_enabled"`
	ReadOnly    bool `json:"messages_tab_read_only_enabled"`
}

type manifestBot struct {
	Name   string `json:"display_name"`
	Online bool   `json:"always_online"`
}

type manifestCommand struct {
	Command     string `json:"command"`
	URL         string `json:"url,omitempty"`
	Description string `json:"description"`
	Hint        string `json:"usage_hint,omitempty"`
	Escape      bool   `json:"should_escape"`
}

type manifestOAuth struct {
	Scopes manifestScopes `json:"scopes"`
}

type manifestScopes struct {
	Bot []string `json:"bot"`
}

type manifestSettings struct {
	Events        manifestEvents        `json:"event_subscriptions"`
	Interactivity manifestInteractivity `json:"interactivity"`
	OrgDeploy     bool                  `json:"org_deploy_enabled"`
	Socket        bool                  `json:"socket_mode_enabled"`
	TokenRotation bool                  `json:"token_rotation_enabled"`
}

type manifestEvents struct {
	URL string   `json:"request_url,omitempty"`
	Bot []string `json:"bot_events"`
}

type manifestInteractivity struct {
	Enabled bool   `json:"is_enabled"`
	URL     string `json:"request_url,omitempty"`
}
