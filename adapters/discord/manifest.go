// What an operator has to set up at Discord for a bot.

package discord

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/bwmarrin/discordgo"

	"parley/internal/chat"
)

// setup is how to invite a bot and what to switch on for it.
type setup struct {
	Bot         string   `json:"bot"`
	Application string   `json:"application_id,omitempty"` // empty without a token
	Invite      string   `json:"invite"`
	Scopes      []string `json:"scopes"`
	Permissions []string `json:"permissions"`
	Bits        int64    `json:"permission_bits"`
	Intents     []string `json:"intents"` // to switch on in the Developer Portal
	Endpoint    string   `json:"interactions_endpoint,omitempty"`
	Steps       []string `json:"steps"`
}

// permissions are exactly those that the adapter uses. Replies need Read Message
// History.
func permissions() (names []string, bits int64) {
	for _, p := range []struct {
		name string
		bit  int64
	}{
		{"View Channels", discordgo.PermissionViewChannel},
		{"Send Messages", discordgo.PermissionSendMessages},
		{"Send Messages in Threads", discordgo.PermissionSendMessagesInThreads},
		{"Attach Files", discordgo.PermissionAttachFiles},
		{"Read Message History", discordgo.PermissionReadMessageHistory},
	} {
		names = append(names, p.name)
		bits |= p.bit
	}
	return names, bits
}

// setupOf is the setup of one bot. publicURL is this server's address for Discord;
// without it, interactions come over the gateway only. The application's id is read
// from the token: for applications from before 2016 it differs, and has to be put
// into the link by hand.
func setupOf(b chat.Profile, publicURL string) (setup, error) {
	names, bits := permissions()
	s := setup{
		Bot: b.ID, Application: userOf(b.Section.App.Reveal()), Scopes: []string{"bot", "applications.commands"},
		Permissions: names, Bits: bits, Intents: []string{"Message Content Intent"},
	}
	id := s.Application
	if id == "" {
		id = "YOUR_APPLICATION_ID"
	}
	q := url.Values{"client_id": {id}, "scope": {strings.Join(s.Scopes, " ")}, "permissions": {strconv.FormatInt(bits, 10)}}
	s.Invite = "https://discord.com/oauth2/authorize?" + q.Encode()
	s.Steps = []string{
		"Open " + portal(s.Application) + " (Bot) and switch on Privileged Gateway Intents → Message Content Intent: without it Discord refuses the connection.",
	}
	if s.Application == "" {
		s.Steps = append(s.Steps, "There: Bot → Reset Token, and put the token into the bot's definition (discord.token).")
	}
	s.Steps = append(s.Steps,
		"There: Installation → Install Link: None, then Bot → Public Bot: off. Else anybody can invite the bot to a server of theirs. Only the application's owner (or its team) can then open the link of the next step.",
		"Invite the bot: "+s.Invite)
	if publicURL != "" {
		u, err := url.Parse(publicURL)
		if err != nil || u.Scheme != "https" || u.Host == "" {
			return setup{}, fmt.Errorf("%q is not an https URL: Discord sends interactions to such only", publicURL)
		}
		s.Endpoint = u.JoinPath("discord", b.ID, "interactions").String()
		s.Steps = append(s.Steps, "Only if interactions shall come over HTTP instead of the gateway: General Information → Interactions Endpoint URL: "+s.Endpoint)
	}
	return s, nil
}

// setupManifest is the setup for people and for machines.
func setupManifest(b chat.Profile, publicURL string) (chat.Manifest, error) {
	s, err := setupOf(b, publicURL)
	if err != nil {
		return chat.Manifest{}, err
	}
	data, err := json.MarshalIndent(s, "", "  ")
	return chat.Manifest{Text: s.String(), JSON: data}, err
}

// portal is the page of an application, or without its id, the list of all.
func portal(application string) string {
	const list = "https://discord.com/developers/applications"
	if application == "" {
		return list
	}
	return list + "/" + application
}

// String is the setup for people.
func (s setup) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Discord setup of bot %s\n\n", s.Bot)
	for n, step := range s.Steps {
		fmt.Fprintf(&b, "%d. %s\n", n+1, step)
	}
	fmt.Fprintf(&b, "\nScopes: %s\nPermissions: %s (%d)\nIntents to switch on: %s\n", strings.Join(s.Scopes, ", "), strings.Join(s.Permissions, ", "), s.Bits, strings.Join(s.Intents, ", "))
	return b.String()
}
