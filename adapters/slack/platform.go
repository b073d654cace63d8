// What Slack is to the rest of parley: its section in a bot's file.

package slack

import (
	"regexp"
	"slices"
	"strings"

	"parley/bots"
	"parley/internal/chat"
)

// platform is the word in chat.Place.Platform.
const platform = "slack"

// The settings of a bot's section.
const (
	commandPrefix = "command_prefix"
	botToken      = "bot_token"
	appToken      = "app_token"
	signingSecret = "signing_secret"
)

// The variables of the environment.
const (
	apiVariable   = "SLACK_API_URL"
	limitVariable = "SLACK_UPDATE_LIMIT"
	modeVariable  = "STREAM_MODE"
)

// With takes over what the variables of the environment hold, by name.
func (o Options) With(values map[string]string) Options {
	o.APIURL, o.StreamMode = values[apiVariable], values[modeVariable]
	o.UpdateLimit, _ = parseLimit(values[limitVariable])
	return o
}

// Platform describes Slack.
func Platform() chat.Platform {
	return chat.Platform{
		Name: platform, Title: "Slack", Workspace: "workspace", MentionInThreads: true, Manifest: appManifest,
		Variables: []chat.Variable{
			{Name: apiVariable, Default: DefaultAPIURL, Want: "an http or https URL", Example: DefaultAPIURL, URL: true},
			{Name: limitVariable, Default: "50/10", Want: "calls per minute / burst, or off", Example: "50/10", Check: isLimit},
			{Name: modeVariable, Default: "edit", Words: []string{"edit", "auto"}},
		},
		Settings: []chat.Setting{
			{Name: commandPrefix, Shared: true, Check: checkPrefix},
			{
				Name: botToken, Secret: true, App: true, Example: "xoxb-…",
				Check: otherToken("is not a bot token: that begins with xoxb-", "xapp-", "xoxp-", "xoxe"),
			},
			{
				Name: appToken, Secret: true, Shared: true, Receives: "Socket Mode", Example: "xapp-…",
				Check: otherToken("is not an app-level token: that begins with xapp-", "xoxb-", "xoxp-", "xoxe"),
			},
			{
				Name: signingSecret, Secret: true, Shared: true, Receives: "signed requests", Signed: true,
				Check: otherToken("is a token; the signing secret is on the app's page \"Basic Information\"", "xoxb-", "xapp-", "xoxp-"),
			},
		},
	}
}

// section is a bot's section.
func section(b bots.Bot) chat.Section { return b.Sections[platform] }

func prefixOf(b bots.Bot) string { return section(b).Value(commandPrefix) }

// checkPrefix leaves room for the longest command in Slack's 32 characters. What is
// written there instead may be a token.
func checkPrefix(v string) string {
	if regexp.MustCompile(`^[a-z0-9_-]{0,20}$`).MatchString(v) {
		return ""
	}
	return "may hold at most 20 lowercase letters, digits, hyphens and underscores"
}

// otherToken recognises by their beginnings tokens of another kind.
func otherToken(wrong string, beginnings ...string) func(string) string {
	return func(v string) string {
		if slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(v, b) }) {
			return wrong
		}
		return ""
	}
}
