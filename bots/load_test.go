package bots_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"parley/adapters/discord"
	"parley/adapters/slack"
	"parley/bots"
	"parley/internal/chat"
)

// platforms are those whose sections the tests write.
func platforms() []chat.Platform {
	return []chat.Platform{slack.Platform(), discord.Platform(), {Name: "everywhere"}}
}

func none(string) string { return "" }

func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) string { return m[k] }
}

func files(pairs ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		fsys[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return fsys
}

const whole = `id: helper
name: Helper
description: Answers everyday questions.
provider: corp-gateway
model: gpt-4o
fallbacks: [lab/qwen3-8b, openrouter/meta/llama-3]
system: |
  You are a concise colleague.
params:
  temperature: 0.3
  top_p: 1
  frequency_penalty: 0
  presence_penalty: 0
  max_tokens: 2048
  stop: ["###"]
  response_format: {type: text}
  reasoning_effort: low
max_messages: 12
access:
  users: [U024BE7LH, 80351110224678912]
  groups: [S0614TZR7]
  channels: [C024BE91L]
  models:
    - {match: "lab/legal-*", groups: [S0614TZR7]}
  switch: admins
  admins: [U024BE7LH]
  external: true
  guests: false
  deny: [{users: [U0BAD], groups: [S0BAD]}, {users: [123]}]
default: true
slack:
  command_prefix: "helper-"
  bot_token: ${SLACK_BOT_TOKEN}
  app_token: ${SLACK_APP_TOKEN}
  signing_secret: ${SLACK_SIGNING_SECRET}
discord:
  token: ${DISCORD_TOKEN}
  guilds: [80351110224678912, "${GUILD}", 80351110224678912]
`

func TestEveryFieldIsRead(t *testing.T) {
	got, err := bots.Load(files("helper.yaml", whole), platforms(), env(
		"SLACK_BOT_TOKEN", "xoxb-1", "SLACK_APP_TOKEN", "xapp-1", "SLACK_SIGNING_SECRET", "s3", "DISCORD_TOKEN", "d4\n", "GUILD", "197038439483310086"))
	if err != nil {
		t.Fatal(err)
	}
	b := got[0]
	inSlack, inDiscord := b.Sections["slack"], b.Sections["discord"]
	if inSlack.App.Reveal() != "xoxb-1" || inSlack.Value("app_token") != "xapp-1" ||
		inSlack.Value("signing_secret") != "s3" || inDiscord.App.Reveal() != "d4" {
		t.Error("a token did not arrive as the environment has it")
	}
	if prefix := inSlack.Value("command_prefix"); prefix != "helper-" {
		t.Errorf("command prefix %q", prefix)
	}
	if guilds := inDiscord.List("guilds"); !slices.Equal(guilds, []string{"80351110224678912", "197038439483310086"}) {
		t.Errorf("guilds %q", guilds)
	}
	b.Sections = nil
	want := bots.Bot{
		ID: "helper", Name: "Helper", Description: "Answers everyday questions.",
		Provider: "corp-gateway", Model: "gpt-4o",
		Fallbacks: []bots.ModelRef{{Provider: "lab", Model: "qwen3-8b"}, {Provider: "openrouter", Model: "meta/llama-3"}},
		System:    "You are a concise colleague.\n",
		Params: bots.Params{
			Temperature: new(0.3), TopP: new(1.0), FrequencyPenalty: new(0.0), PresencePenalty: new(0.0),
			MaxTokens: new(2048), Stop: []string{"###"}, ResponseFormat: map[string]any{"type": "text"}, ReasoningEffort: new("low"),
		},
		MaxMessages: 12,
		Access: bots.Access{
			Users: []string{"U024BE7LH", "80351110224678912"}, Groups: []string{"S0614TZR7"}, Channels: []string{"C024BE91L"},
			Models: []bots.ModelRule{{Match: "lab/legal-*", Groups: []string{"S0614TZR7"}}},
			Switch: "admins", Admins: []string{"U024BE7LH"}, External: true,
			Deny: []bots.DenyRule{{Users: []string{"U0BAD"}, Groups: []string{"S0BAD"}}, {Users: []string{"123"}}},
		},
		Default: true, File: "helper.yaml",
	}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("got  %+v\nwant %+v", b, want)
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	got, err := bots.Load(files("x.yml", "id: x\nprovider: p\nmodel: m\nparams:\naccess: ~\nfallbacks: []\n"), platforms(), none)
	if err != nil {
		t.Fatal(err)
	}
	want := bots.Bot{ID: "x", Name: "x", Provider: "p", Model: "m", MaxMessages: 30, Access: bots.Access{Switch: "everyone", Guests: true}, Sections: map[string]chat.Section{}, File: "x.yml"}
	if !reflect.DeepEqual(got, []bots.Bot{want}) {
		t.Errorf("got  %+v\nwant %+v", got[0], want)
	}
}

func TestAProblemIsNamedWithFileLineAndReason(t *testing.T) {
	const base = "id: x\nprovider: p\nmodel: m\n" // the next line is 4
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown field":             {base + "temperatur: 1\n", `x.yaml:4: unknown field "temperatur" (did you mean "temperature", under "params"?)`},
		"unknown field nearest":     {base + "sytem: hi\n", `x.yaml:4: unknown field "sytem" (did you mean "system"?)`},
		"unknown field, far":        {base + "zzzzzzzzz: hi\n", `unknown field "zzzzzzzzz" (known here: access, default,`},
		"field of another section":  {base + "temperature: 1\n", `x.yaml:4: unknown field "temperature" (it belongs under "params")`},
		"unknown field inside":      {base + "params:\n  top_pp: 1\n", `x.yaml:5: unknown field "params.top_pp" (did you mean "top_p"?)`},
		"unknown in a rule":         {base + "access:\n  models:\n  - {match: a, user: [U1]}\n", `x.yaml:6: unknown field "access.models[0].user" (did you mean "users"?)`},
		"merge key":                 {base + "<<: {a: 1}\n", "merge keys are not supported"},
		"missing id":                {"provider: p\nmodel: m\n", `x.yaml:1: required field "id" is missing`},
		"missing provider":          {"id: x\nmodel: m\n", `required field "provider" is missing`},
		"missing model":             {"id: x\nprovider: p\n", `required field "model" is missing`},
		"null is missing":           {"id: x\nprovider: p\nmodel:\n", `required field "model" is missing`},
		"empty model":               {"id: x\nprovider: p\nmodel: ''\n", `x.yaml:3: model is empty`},
		"id grammar":                {"id: Big_Bot\nprovider: p\nmodel: m\n", `x.yaml:1: id "Big_Bot" may contain only lowercase letters`},
		"id is not the file's name": {"id: y\nprovider: p\nmodel: m\n", `x.yaml:1: id "y" does not match the file name: rename the file to y.yaml or the bot to x`},
		"provider grammar":          {"id: x\nprovider: Open AI\nmodel: m\n", `x.yaml:2: provider "Open AI" may contain only`},
		"id is a list":              {"id: [x]\nprovider: p\nmodel: m\n", `x.yaml:1: id must be text, not a list`},
		"name is a boolean":         {base + "name: true\n", `x.yaml:4: name must be text, not true or false; put it in quotes`},
		"expansion elsewhere":       {"id: x\nprovider: p\nmodel: ${MODEL}\n", "x.yaml:3: model: ${NAME} is expanded in slack and discord values only"},
		"fallback without slash":    {base + "fallbacks: [gpt-4o]\n", `x.yaml:4: fallbacks[0] "gpt-4o" must be provider/model`},
		"fallbacks not a list":      {base + "fallbacks: lab/q\n", "x.yaml:4: fallbacks must be a list like [a, b], not text"},
		"empty list entry":          {base + "fallbacks: [~]\n", "x.yaml:4: fallbacks[0] is empty"},
		"temperature high":          {base + "params: {temperature: 2.5}\n", "x.yaml:4: params.temperature must be from 0 to 2, not 2.5"},
		"temperature text":          {base + "params: {temperature: hot}\n", `params.temperature must be a number, not "hot"`},
		"temperature quoted":        {base + "params: {temperature: \"0.3\"}\n", `params.temperature must be a number`},
		"temperature nan":           {base + "params: {temperature: .nan}\n", "params.temperature must be from 0 to 2"},
		"top_p":                     {base + "params: {top_p: -0.1}\n", "params.top_p must be from 0 to 1"},
		"frequency_penalty":         {base + "params: {frequency_penalty: 3}\n", "params.frequency_penalty must be from -2 to 2"},
		"presence_penalty":          {base + "params: {presence_penalty: -3}\n", "params.presence_penalty must be from -2 to 2"},
		"max_tokens zero":           {base + "params: {max_tokens: 0}\n", "params.max_tokens must be at least 1, not 0"},
		"max_tokens float":          {base + "params: {max_tokens: 1.5}\n", `params.max_tokens must be a whole number, not "1.5"`},
		"stop of mappings":          {base + "params: {stop: [{a: 1}]}\n", "params.stop[0] must be text, not a mapping"},
		"stop empty":                {base + "params: {stop: ['']}\n", "params.stop[0] is empty"},
		"response_format text":      {base + "params: {response_format: json_object}\n", "params.response_format must be a mapping like {type: text}, not text"},
		"response_format no type":   {base + "params: {response_format: {}}\n", "params.response_format needs a type"},
		"response_format bad keys":  {base + "params: {response_format: {type: t, a: {1: 2}}}\n", "params.response_format cannot be written as JSON"},
		"reasoning_effort":          {base + "params: {reasoning_effort: heavy}\n", "params.reasoning_effort must be one of none, minimal, low"},
		"params is a list":          {base + "params: [1]\n", "x.yaml:4: params must be a mapping (name: value lines), not a list"},
		"max_messages zero":         {base + "max_messages: 0\n", "x.yaml:4: max_messages must be at least 1, not 0"},
		"max_messages text":         {base + "max_messages: many\n", `x.yaml:4: max_messages must be a whole number, not "many"`},
		"max_messages huge":         {base + "max_messages: 99999999999999999999\n", `max_messages must be a whole number`},
		"language unknown":          {base + "language: de\n", `x.yaml:4: language must be one of auto, en, fr, ko, not "de"`},
		"language a list":           {base + "language: [fr]\n", "x.yaml:4: language must be one of auto, en, fr, ko, not a list"},
		"switch":                    {base + "access: {switch: nobody}\n", `x.yaml:4: access.switch must be everyone or admins, not "nobody"`},
		"user by name":              {base + "access: {users: ['@ann']}\n", `access.users[0] "@ann" is not an id`},
		"wildcard user":             {base + "access: {users: ['*']}\n", `is not an id`},
		"names nobody":              {base + "access:\n  users: []\n", "x.yaml:5: access.users and access.groups are empty"},
		"no channel":                {base + "access:\n  channels: []\n", "x.yaml:5: access.channels is empty"},
		"rule without match":        {base + "access: {models: [{users: [U1]}]}\n", "access.models[0] needs match"},
		"rule without people":       {base + "access: {models: [{match: a/b}]}\n", "access.models[0] names no user and no group"},
		"external":                  {base + "access:\n  external: some\n", "x.yaml:5: access.external must be true or false"},
		"guests":                    {base + "access:\n  guests: [U1]\n", "x.yaml:5: access.guests must be true or false"},
		"deny is no list":           {base + "access:\n  deny: {users: [U1]}\n", "x.yaml:5: access.deny must be a list"},
		"deny of nobody":            {base + "access:\n  deny:\n  - {users: []}\n", "x.yaml:6: access.deny[0] names no user and no group"},
		"deny of a name":            {base + "access:\n  deny: [{users: [\"@ann b\"]}]\n", "x.yaml:5: access.deny[0].users[0] \"@ann b\" is not an id"},
		"deny of channels":          {base + "access:\n  deny: [{channels: [C1]}]\n", `x.yaml:5: unknown field "access.deny[0].channels"`},
		"external out of place":     {base + "external: true\n", `unknown field "external" (it belongs under "access")`},
		"rule is text":              {base + "access: {models: [a]}\n", "access.models[0] must be a mapping"},
		"default":                   {base + "default: 'yes'\n", "x.yaml:4: default must be true or false"},
		"command prefix":            {base + "slack: {command_prefix: 'Helper '}\n", "slack.command_prefix may hold"},
		"duplicate field":           {base + "model: n\n", `x.yaml:4: field "model" is given twice (first on line 3)`},
		"duplicate null field":      {base + "params: {top_p: 1, top_p: 1}\n", `x.yaml:4: field "params.top_p" is given twice`},
		"two documents":             {base + "---\nid: y\n", "a second YAML document begins here; one file holds one bot"},
		"empty file":                {"", "x.yaml:1: the file is empty"},
		"comments only":             {"# nothing\n", "x.yaml:1: the file is empty"},
		"null document":             {"---\n", "x.yaml:1: the file is empty"},
		"a list":                    {"- id: x\n", "x.yaml:1: the definition must be a mapping (name: value lines), not a list"},
		"plain text":                {"hello\n", "x.yaml:1: the definition must be a mapping (name: value lines), not text"},
		"syntax":                    {base + "name: [\n", "x.yaml:4: not valid YAML: "},
		"tab":                       {base + "params:\n\ttop_p: 1\n", "not valid YAML: "},
		"unknown anchor":            {base + "name: *xoxb-secret\n", "not valid YAML: a reference (*name) to an anchor that does not exist"},
		"not UTF-8":                 {base + "name: \xff\xfe\n", "not valid YAML: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bots.Load(files("x.yaml", c.yaml), platforms(), none)
			if err == nil {
				t.Fatalf("accepted:\n%s", c.yaml)
			}
			if _, ok := errors.AsType[*bots.InvalidError](err); !ok {
				t.Errorf("error is a %T", err)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "xoxb-secret") {
				t.Errorf("leaks: %s", err)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "x.yaml:") {
					t.Errorf("a line without its file: %q", line)
				}
			}
		})
	}
}

func TestAllProblemsOfAllFilesAreReportedAtOnce(t *testing.T) {
	_, err := bots.Load(files(
		"b.yaml", "id: b\nprovider: p\nmodel: m\nmax_messages: 0\nwrong: 1\n",
		"a.yaml", "id: A\nparams:\n  top_p: 7\n  temperature: x\n",
		"c.yaml", "",
	), platforms(), none)
	got := strings.Split(fmt.Sprint(err), "\n")
	want := []string{
		`a.yaml:1: id "A" may contain`, `a.yaml:1: required field "provider"`, `a.yaml:1: required field "model"`,
		`a.yaml:3: params.top_p`, `a.yaml:4: params.temperature`,
		`b.yaml:4: max_messages`, `b.yaml:5: unknown field "wrong"`, `c.yaml:1: the file is empty`,
	}
	if len(got) != len(want) {
		t.Fatalf("got %d problems, want %d:\n%s", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("problem %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestRulesAcrossBots(t *testing.T) {
	bot := func(id, rest string) string {
		return "id: " + id + "\nprovider: p\nmodel: m\n" + rest
	}
	tokens := env("T", "xoxb-1", "A", "xapp-1", "U", "xoxb-2", "D", "dd", "E", "dd")
	for name, c := range map[string]struct {
		fs   fstest.MapFS
		want string // empty: fine
	}{
		"same id twice": {files("a.yaml", bot("a", ""), "a.yml", bot("a", "")), `a.yml:1: id "a" is already used by a.yaml`},
		"two defaults in one Slack app": {files(
			"a.yaml", bot("a", "default: true\nslack: {bot_token: \"${T}\", app_token: \"${A}\"}\n"),
			"b.yaml", bot("b", "slack: {bot_token: \"${T}\", app_token: \"${A}\"}\ndefault: true\n")), "b.yaml:5: default: true is also set in a.yaml"},
		"two defaults in one Discord app, by different variables": {files(
			"a.yaml", bot("a", "default: true\ndiscord: {token: \"${D}\"}\n"),
			"b.yaml", bot("b", "default: true\ndiscord: {token: \"${E}\"}\n")), "b.yaml:4: default: true is also set"},
		"two defaults in one app whose variables are unset": {files(
			"a.yaml", bot("a", "default: true\ndiscord: {token: \"${NOT}\"}\n"),
			"b.yaml", bot("b", "default: true\ndiscord: {token: \"${NOT}\"}\n")), "b.yaml:4: default: true is also set"},
		"two defaults in two apps": {files(
			"a.yaml", bot("a", "default: true\nslack: {bot_token: \"${T}\", app_token: \"${A}\"}\n"),
			"b.yaml", bot("b", "default: true\nslack: {bot_token: \"${U}\", app_token: \"${A}\"}\n")), ""},
		"two defaults without any app": {files("a.yaml", bot("a", "default: true\n"), "b.yaml", bot("b", "default: true\n")), ""},
		"one bot token, two app tokens": {files(
			"a.yaml", bot("a", "slack: {bot_token: \"${T}\", app_token: \"${A}\"}\n"),
			"b.yaml", bot("b", "slack: {bot_token: \"${T}\", app_token: xapp-other}\n")), "b.yaml:4: slack.bot_token is the same as in a.yaml, but slack.app_token is not"},
		"one app, two prefixes": {files(
			"a.yaml", bot("a", "slack: {bot_token: \"${T}\", app_token: \"${A}\", command_prefix: a-}\n"),
			"b.yaml", bot("b", "slack: {bot_token: \"${T}\", app_token: \"${A}\", command_prefix: b-}\n")), "b.yaml:4: slack.command_prefix differs"},
		"command prefix of one alone": {files(
			"a.yaml", bot("a", "slack: {bot_token: \"${T}\", app_token: \"${A}\", command_prefix: a-}\n"),
			"b.yaml", bot("b", "slack: {bot_token: \"${T}\", app_token: \"${A}\"}\n")), "b.yaml:4: slack.command_prefix differs"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bots.Load(c.fs, platforms(), tokens)
			if c.want == "" && err != nil {
				t.Errorf("refused: %s", err)
			}
			if c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestPlatformSections(t *testing.T) {
	const inSlack = `id: x
provider: p
model: m
slack:
  bot_token: ${MY_BOT}
  app_token: ${MY_APP}
  signing_secret: ${MY_SIGNING}
`
	const inDiscord = "id: x\nprovider: p\nmodel: m\ndiscord:\n  token: ${D_TOKEN}\n  public_key: ${D_KEY}\n"
	for name, c := range map[string]struct {
		yaml string
		env  []string
		want string
	}{
		"app token alone":             {inSlack, []string{"MY_APP", "xapp-hidden"}, "x.yaml:5: slack.bot_token is empty while slack.app_token (MY_APP) is not: set MY_BOT (xoxb-…)"},
		"signing secret alone":        {inSlack, []string{"MY_SIGNING", "hidden"}, "slack.bot_token is empty while slack.signing_secret (MY_SIGNING) is not: set MY_BOT"},
		"bot token alone":             {inSlack, []string{"MY_BOT", "xoxb-hidden"}, "slack.app_token and slack.signing_secret are both empty, so no event would arrive: set MY_APP for Socket Mode or MY_SIGNING for signed requests"},
		"tokens swapped":              {inSlack, []string{"MY_BOT", "xapp-hidden", "MY_APP", "xoxb-hidden"}, "MY_BOT is not a bot token"},
		"signing secret is a token":   {inSlack, []string{"MY_BOT", "xoxb-hidden", "MY_SIGNING", "xapp-hidden"}, "MY_SIGNING is a token"},
		"white space inside":          {inSlack, []string{"MY_BOT", "xoxb-hid den", "MY_APP", "xapp-1"}, "x.yaml:5: slack.bot_token contains white space"},
		"bad reference":               {strings.ReplaceAll(inSlack, "${MY_BOT}", "${MY_BOT:-xoxb-hidden}"), nil, "x.yaml:5: slack.bot_token: only ${NAME} is supported"},
		"unclosed reference":          {strings.ReplaceAll(inSlack, "${MY_BOT}", "\"${MY_BOT\""), nil, "x.yaml:5: slack.bot_token: a ${ is not closed"},
		"a token where a field goes":  {"id: x\nprovider: p\nmodel: m\nslack: {xoxb-hidden-1234567890}\n", nil, "x.yaml:4: unknown field under slack"},
		"a list of tokens":            {"id: x\nprovider: p\nmodel: m\nslack: {bot_token: [xoxb-hidden]}\n", nil, "x.yaml:4: slack.bot_token must be text, not a list"},
		"public key without token":    {inDiscord, []string{"D_KEY", strings.Repeat("ab", 32)}, "x.yaml:5: discord.token is empty while discord.public_key is not: set D_TOKEN"},
		"a guild by its name":         {inDiscord + "  guilds: [80351110224678912, Fans]\n", []string{"D_TOKEN", "hidden"}, "x.yaml:7: discord.guilds[1] must be a server's id"},
		"a guild that is a token":     {inDiscord + "  guilds: [\"${D_TOKEN}\"]\n", []string{"D_TOKEN", "hidden"}, "x.yaml:7: D_TOKEN must be a server's id"},
		"a guild nobody set":          {inDiscord + "  guilds:\n    - ${D_GUILD}\n", []string{"D_TOKEN", "hidden"}, "x.yaml:8: discord.guilds[0] is empty: set D_GUILD"},
		"guilds that are no list":     {inDiscord + "  guilds: 80351110224678912\n", []string{"D_TOKEN", "hidden"}, "x.yaml:7: discord.guilds must be a list"},
		"public key of wrong length":  {inDiscord, []string{"D_TOKEN", "hidden", "D_KEY", "abcd"}, "x.yaml:6: D_KEY must be the application's public key, 64 hexadecimal digits"},
		"the word Bot before a token": {inDiscord, []string{"D_TOKEN", "Bot hidden"}, "x.yaml:5: D_TOKEN begins with the word Bot"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := bots.Load(files("x.yaml", c.yaml), platforms(), env(c.env...))
			if !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(fmt.Sprint(err), "hid") {
				t.Errorf("leaks: %s", err)
			}
		})
	}
	t.Run("all empty is skipped and told", func(t *testing.T) {
		got, err := bots.Load(files("x.yaml", inSlack+"discord: {token: \"${D_TOKEN}\", public_key: "+strings.Repeat("ab", 32)+"}\n"), platforms(), none)
		if err != nil {
			t.Fatal(err)
		}
		if got[0].On(slack.Platform()) || got[0].On(discord.Platform()) {
			t.Error("enabled without tokens")
		}
		want := []bots.Skipped{{Platform: "slack", Variables: []string{"MY_BOT", "MY_APP", "MY_SIGNING"}}, {Platform: "discord", Variables: []string{"D_TOKEN"}}}
		if !reflect.DeepEqual(got[0].Skipped, want) {
			t.Errorf("skipped: %+v", got[0].Skipped)
		}
	})
	t.Run("either way of receiving is enough", func(t *testing.T) {
		for _, way := range []string{"MY_APP", "MY_SIGNING"} {
			got, err := bots.Load(files("x.yaml", inSlack), platforms(), env("MY_BOT", "xoxb-1", way, "v"))
			if err != nil || !got[0].On(slack.Platform()) || len(got[0].Skipped) > 0 {
				t.Errorf("%s: %v", way, err)
			}
		}
	})
	t.Run("text around a reference stays, a lone dollar too", func(t *testing.T) {
		got, err := bots.Load(files("x.yaml", "id: x\nprovider: p\nmodel: m\nslack: {bot_token: \"xoxb-${A}-$B-${A}\", app_token: t}\n"), platforms(), env("A", "1", "B", "2"))
		if err != nil {
			t.Fatal(err)
		}
		if v := got[0].Sections["slack"].App.Reveal(); v != "xoxb-1-$B-1" {
			t.Errorf("got %q", v)
		}
	})
	t.Run("nothing else is expanded", func(t *testing.T) {
		got, err := bots.Load(files("x.yaml", "id: x\nname: ${N}\nprovider: p\nmodel: m\nsystem: say ${N}\n"), platforms(), env("N", "v"))
		if err != nil || got[0].Name != "${N}" || got[0].System != "say ${N}" {
			t.Errorf("%+v %v", got, err)
		}
	})
}

func TestWhatElseLiesInTheFolderIsLeftAlone(t *testing.T) {
	got, err := bots.Load(files(
		"x.yaml", "id: x\nprovider: p\nmodel: m\n", "README.md", "hi", ".hidden.yaml", "no", "x.yaml~", "no", "old/y.yaml", "no", "..data/x.yaml", "no",
	), platforms(), none)
	if err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

func TestAFolderWithoutDefinitionsIsAnError(t *testing.T) {
	dir := t.TempDir()
	if _, err := bots.LoadDir(dir, platforms(), none); !errors.Is(err, bots.ErrNone) || !strings.Contains(err.Error(), dir) {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := bots.LoadDir(filepath.Join(dir, "missing"), platforms(), none); err == nil || !strings.Contains(err.Error(), "BOTS_DIR") {
		t.Errorf("missing folder: %v", err)
	}
}

// A ConfigMap in Kubernetes is a folder of links into a hidden folder.
func TestLinksInsideTheFolderWork(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "..2026"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..2026", "x.yaml"), []byte("id: x\nprovider: p\nmodel: m\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"..data": "..2026", "x.yaml": "..data/x.yaml"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := bots.LoadDir(dir, platforms(), none)
	if err != nil || len(got) != 1 || got[0].ID != "x" {
		t.Errorf("%v %v", got, err)
	}
}

func TestBuiltinDefinitions(t *testing.T) {
	got, err := bots.Load(bots.Builtin(), platforms(), none)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) < 2 {
		t.Fatalf("a general bot and a specialist expected, got %d", len(got))
	}
	leads := 0
	for _, b := range got {
		if b.Default {
			leads++
		}
		if b.On(slack.Platform()) || b.On(discord.Platform()) || len(b.Skipped) != 2 {
			t.Errorf("%s: platforms without tokens: %+v", b.ID, b.Skipped)
		}
	}
	if leads != 1 {
		t.Errorf("%d bots answer first", leads)
	}
	got, err = bots.Load(bots.Builtin(), platforms(), env("SLACK_BOT_TOKEN", "xoxb-1", "SLACK_APP_TOKEN", "xapp-1", "DISCORD_TOKEN", "d"))
	if err != nil {
		t.Fatal(err)
	}
	for platform, apps := range map[string][][]bots.Bot{"slack": bots.Apps(slack.Platform(), got), "discord": bots.Apps(discord.Platform(), got)} {
		if len(apps) != 1 || len(apps[0]) != len(got) || apps[0][0].ID != "helper" {
			t.Errorf("%s: with one app's tokens helper leads and all are in it; got %v", platform, apps)
		}
	}
}

func TestAppsGroupByTokenAndLeadFirst(t *testing.T) {
	bot := func(id, rest string) string {
		return "id: " + id + "\nprovider: p\nmodel: m\n" + rest
	}
	all, err := bots.Load(files(
		"a.yaml", bot("a", "discord: {token: one}\n"),
		"b.yaml", bot("b", "discord: {token: two}\n"),
		"c.yaml", bot("c", "default: true\ndiscord: {token: one}\n"),
		"d.yaml", bot("d", ""),
	), platforms(), none)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, app := range bots.Apps(discord.Platform(), all) {
		var ids []string
		for _, b := range app {
			ids = append(ids, b.ID)
		}
		got = append(got, ids)
	}
	if want := [][]string{{"c", "a"}, {"b"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if apps := bots.Apps(slack.Platform(), all); len(apps) != 0 {
		t.Errorf("Slack apps: %v", apps)
	}
	if apps := bots.Apps(chat.Platform{Name: "everywhere"}, all); len(apps) != 1 || len(apps[0]) != 4 {
		t.Errorf("a platform without apps shows every bot: %v", apps)
	}
}

func TestATooLargeFileIsRefused(t *testing.T) {
	_, err := bots.Load(files("x.yaml", "system: "+strings.Repeat("a", 1<<20)), platforms(), none)
	if !strings.Contains(fmt.Sprint(err), "x.yaml: the file has") {
		t.Errorf("%v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(whole)
	f.Add("a: &a [*a]\n")
	f.Add("id: &x {<<: *x}\nparams: {response_format: &r {type: t, r: *r}}\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := bots.Load(files("helper.yaml", text), platforms(), env("SLACK_BOT_TOKEN", "top-secret-value"))
		if err == nil && (got[0].ID != "helper" || got[0].Provider == "" || got[0].Model == "" || got[0].MaxMessages < 1) {
			t.Errorf("accepted %+v", got[0])
		}
		if err != nil && strings.Contains(err.Error(), "top-secret-value") {
			t.Errorf("leaks: %v", err)
		}
	})
}

func TestTheExampleInREADMEIsAValidDefinition(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, found := strings.Cut(string(data), "```yaml\nid: helper ")
	example, _, _ = strings.Cut(example, "\n```")
	if !found {
		t.Fatal("no example")
	}
	got, err := bots.Load(files("helper.yaml", "id: helper "+example), platforms(), env("SLACK_BOT_TOKEN", "xoxb-1", "SLACK_APP_TOKEN", "xapp-1", "DISCORD_TOKEN", "d"))
	if err != nil {
		t.Fatal(err)
	}
	got[0].Skipped = []bots.Skipped{{}} // not a field of the file
	// The example shows every field there is.
	for name, v := range map[string]reflect.Value{
		"params": reflect.ValueOf(got[0].Params), "access": reflect.ValueOf(got[0].Access), "bot": reflect.ValueOf(got[0]),
	} {
		for i := range v.NumField() {
			field := v.Type().Field(i).Name
			if v.Field(i).IsZero() && !strings.Contains(strings.ReplaceAll(example, "\n  ", "\n"), "\n"+strings.ToLower(field)+": ") {
				t.Errorf("%s: %s is not in the example", name, field)
			}
		}
	}
}
