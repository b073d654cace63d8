// Discord's description for the rest of parley: settings, variables, manifest.

package discord

import (
	"encoding/hex"
	"strconv"
	"strings"

	"parley/bots"
	"parley/internal/chat"
)

// platform is the value of chat.Place.Platform.
const platform = "discord"

// The settings of a bot's section.
const (
	botToken  = "token"
	publicKey = "public_key"
	guildList = "guilds"
)

// The variables of the environment.
const (
	apiVariable   = "DISCORD_API_URL"
	limitVariable = "DISCORD_GLOBAL_LIMIT"
)

// With sets the options that environment variables, by name, hold.
func (o Options) With(values map[string]string) Options {
	o.APIURL = values[apiVariable]
	o.GlobalLimit, _ = parseRate(values[limitVariable])
	return o
}

// parseRate reads "50" or "off", which is 0.
func parseRate(s string) (int, bool) {
	if strings.EqualFold(s, "off") {
		return 0, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= 1e6
}

func isRate(s string) bool {
	_, ok := parseRate(s)
	return ok
}

// Platform describes Discord.
func Platform() chat.Platform {
	return chat.Platform{
		Name: platform, Title: "Discord", Workspace: "server", Trusts: guildList, Manifest: setupManifest,
		Variables: []chat.Variable{
			{Name: apiVariable, Default: DefaultAPIURL, Want: "an http or https URL", Example: DefaultAPIURL, URL: true},
			{Name: limitVariable, Default: "50", Want: "requests per second, or off", Example: "50", Check: isRate},
		},
		Settings: []chat.Setting{
			{Name: botToken, Secret: true, App: true, Example: "the bot's token", Check: checkToken},
			{Name: publicKey, Signed: true, Check: checkKey},
			{Name: guildList, List: true, Example: "a server's id", Check: checkGuild},
		},
	}
}

// section is a bot's section.
func section(b bots.Bot) chat.Section { return b.Sections[platform] }

func checkToken(v string) string {
	if strings.HasPrefix(v, "Bot ") {
		return "begins with the word Bot: leave that out"
	}
	return ""
}

// checkKey wants an Ed25519 key.
func checkKey(v string) string {
	if key, err := hex.DecodeString(v); err != nil || len(key) != 32 {
		return "must be the application's public key, 64 hexadecimal digits"
	}
	return ""
}

func checkGuild(v string) string {
	if !isSnowflake(v) {
		return "must be a server's id, such as 80351110224678912: switch on Developer Mode in Discord, right-click the server and choose Copy Server ID"
	}
	return ""
}
