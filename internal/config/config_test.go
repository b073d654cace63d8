package config_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/adapters/discord"
	"parley/adapters/slack"
	"parley/internal/config"
	"parley/internal/secret"
)

func load(t *testing.T, environ ...string) (config.Config, error) {
	t.Helper()
	e, err := config.ReadEnvironment(environ, filepath.Join(t.TempDir(), ".env"))
	if err != nil {
		t.Fatal(err)
	}
	return config.Load(e, slack.Platform(), discord.Platform())
}

func TestAnEmptyEnvironmentGivesTheDefaults(t *testing.T) {
	for name, environ := range map[string][]string{
		"unset": nil, "set but empty": {"HTTP_ADDR=", "SHUTDOWN_GRACE=", "SLACK_UPDATE_LIMIT= ", "LOG_LEVEL="},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, environ...)
			if err != nil {
				t.Fatal(err)
			}
			want := config.Config{
				HTTPAddr: "127.0.0.1:7070", Playground: "auto", Metrics: "token", ShutdownGrace: 25 * time.Second, LogLevel: "info", LogFormat: "text",
				RedisPrefix: "parley", DataDir: "./data", AuditKeep: config.Age(400 * 24 * time.Hour), DiscoverLocal: "auto",
				Platforms: map[string]string{
					"SLACK_API_URL": "https://slack.com/api/", "SLACK_UPDATE_LIMIT": "50/10", "STREAM_MODE": "edit",
					"DISCORD_API_URL": "https://discord.com/api/v10", "DISCORD_GLOBAL_LIMIT": "50",
				},
				OTLPProtocol: "http/protobuf", ServiceName: "parley",
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if !got.Loopback() || !got.Embedded() || !got.PlaygroundServed() || got.HTTPAddrGiven {
				t.Error("the defaults are: loopback, embedded store, playground")
			}
		})
	}
}

func TestEveryVariableIsRead(t *testing.T) {
	key := secret.GenerateKey("k")
	got, err := load(t,
		"HTTP_ADDR=:8080", "ADMIN_TOKEN=adm-0123456789abc", "PLAYGROUND=ON", "METRICS=Open", "SHUTDOWN_GRACE=1m", "LOG_LEVEL=DEBUG", "LOG_FORMAT=json",
		"REDIS_URL=redis://u:pw@a:6379/2?sentinel_master=m", "REDIS_PREFIX=x", "REDIS_WAIT_REPLICAS=2", "DATA_DIR=/d", "MASTER_KEYS="+key, "AUDIT_KEEP=36h",
		"BOTS_DIR=/b", "PROVIDERS_FILE=/p", "PROVIDER_NETWORKS=public, 10.0.0.0/8,192.168.1.4", "DISCOVER_LOCAL=off",
		"SLACK_API_URL=http://127.0.0.1:1/api", "SLACK_UPDATE_LIMIT=off", "STREAM_MODE=Auto",
		"DISCORD_API_URL=http://127.0.0.1:2/api/v10/", "DISCORD_GLOBAL_LIMIT=7",
		"OPENAI_API_KEY=1", "ANTHROPIC_API_KEY=2", "GEMINI_API_KEY=3", "XAI_API_KEY=4", "OPENROUTER_API_KEY=5", "DEEPSEEK_API_KEY=6",
		"GROQ_API_KEY=7", "MISTRAL_API_KEY=8", "CLOUDFLARE_API_TOKEN=9", "CLOUDFLARE_ACCOUNT_ID=10", "OLLAMA_HOST=h:1",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_HEADERS=a=b", "OTEL_SERVICE_NAME=svc",
	)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{
		HTTPAddr: ":8080", AdminToken: secret.New("adm-0123456789abc"), Playground: "on", Metrics: "open", ShutdownGrace: time.Minute, LogLevel: "debug", LogFormat: "json",
		RedisURL: secret.New("redis://u:pw@a:6379/2?sentinel_master=m"), RedisPrefix: "x", RedisWaitReplicas: 2, DataDir: "/d", MasterKeys: secret.New(key), AuditKeep: config.Age(36 * time.Hour),
		BotsDir: "/b", ProvidersFile: "/p", ProviderNetworks: "public, 10.0.0.0/8,192.168.1.4", DiscoverLocal: "off",
		Platforms: map[string]string{
			"SLACK_API_URL": "http://127.0.0.1:1/api", "SLACK_UPDATE_LIMIT": "off", "STREAM_MODE": "auto",
			"DISCORD_API_URL": "http://127.0.0.1:2/api/v10/", "DISCORD_GLOBAL_LIMIT": "7",
		},
		OpenAIKey: secret.New("1"), AnthropicKey: secret.New("2"), GeminiKey: secret.New("3"), XAIKey: secret.New("4"), OpenRouterKey: secret.New("5"),
		DeepSeekKey: secret.New("6"), GroqKey: secret.New("7"), MistralKey: secret.New("8"), CloudflareToken: secret.New("9"), CloudflareAccount: "10", OllamaHost: "h:1",
		OTLPEndpoint: "http://c:4318", OTLPProtocol: "http/protobuf", OTLPHeaders: secret.New("a=b"), ServiceName: "svc", HTTPAddrGiven: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	v := reflect.ValueOf(got)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not covered by this test", v.Type().Field(i).Name)
		}
	}
	if got.Level() != slog.LevelDebug || got.Loopback() || got.Embedded() || !got.PlaygroundServed() {
		t.Error("what follows from the values is wrong")
	}
}

func TestAWrongValueIsNamedWithAnExample(t *testing.T) {
	ring := "MASTER_KEYS=" + secret.GenerateKey("k")
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"HTTP_ADDR=7070"}, `HTTP_ADDR: "7070" is not host:port; for example HTTP_ADDR=127.0.0.1:7070`},
		{[]string{"HTTP_ADDR=127.0.0.1:99999"}, "HTTP_ADDR: "},
		{[]string{"HTTP_ADDR=http://127.0.0.1:7070"}, "HTTP_ADDR: "},
		{[]string{"HTTP_ADDR=0.0.0.0:7070"}, `ADMIN_TOKEN: is required because HTTP_ADDR "0.0.0.0:7070" can be reached from other machines`},
		{[]string{"HTTP_ADDR=:7070"}, `ADMIN_TOKEN: is required`},
		{[]string{"HTTP_ADDR=[::]:7070"}, `ADMIN_TOKEN: is required`},
		{[]string{"HTTP_ADDR=192.168.0.5:7070", "PLAYGROUND=on"}, `ADMIN_TOKEN: is required`},
		{[]string{"HTTP_ADDR=localhost.example.com:7070"}, `ADMIN_TOKEN: is required`},
		{[]string{"ADMIN_TOKEN=secret-to-guess"}, "ADMIN_TOKEN: is too short to be safe: at least 16 characters are needed; a new one, ready to paste: ADMIN_TOKEN="},
		{[]string{"METRICS=on"}, `METRICS: "on" is not one of token, open; for example METRICS=token`},
		{[]string{"ADMIN_TOKEN=secret-a b"}, "ADMIN_TOKEN: its value is not a token without white space"},
		{[]string{"PLAYGROUND=yes"}, `PLAYGROUND: "yes" is not one of auto, on, off; for example PLAYGROUND=auto`},
		{[]string{"SHUTDOWN_GRACE=25"}, `SHUTDOWN_GRACE: "25" is not a duration with its unit; for example SHUTDOWN_GRACE=25s`},
		{[]string{"SHUTDOWN_GRACE=-1s"}, `SHUTDOWN_GRACE: "-1s" is not`},
		{[]string{"LOG_LEVEL=loud"}, `LOG_LEVEL: "loud" is not one of debug, info, warn, error`},
		{[]string{"LOG_FORMAT=xml"}, `LOG_FORMAT: "xml" is not one of text, json`},
		{[]string{"REDIS_URL=localhost:6379", ring}, "REDIS_URL: its value is not redis://host:port"},
		{[]string{"REDIS_URL=http://u:secret-pw@h:6379", ring}, "REDIS_URL: its value is not"},
		{[]string{"REDIS_URL=redis://", ring}, "REDIS_URL: "},
		{[]string{"REDIS_URL=redis://a:1,,b:2", ring}, "REDIS_URL: "},
		{[]string{"REDIS_URL=redis://:secret%zz@a:1", ring}, "REDIS_URL: "},
		{[]string{"REDIS_PREFIX=a{b}"}, `REDIS_PREFIX: "a{b}" is not a word`},
		{[]string{"REDIS_WAIT_REPLICAS=one"}, `REDIS_WAIT_REPLICAS: "one" is not a whole number from 0 up; for example REDIS_WAIT_REPLICAS=1`},
		{[]string{"REDIS_WAIT_REPLICAS=-1"}, `REDIS_WAIT_REPLICAS: "-1" is not`},
		{[]string{"REDIS_WAIT_REPLICAS=1"}, "REDIS_WAIT_REPLICAS: is 1, but the embedded store has no replicas"},
		{[]string{"MASTER_KEYS=secret-key"}, "MASTER_KEYS: key 1 is not name:base64; a new one: MASTER_KEYS=k1:"},
		{[]string{"AUDIT_KEEP=400"}, `AUDIT_KEEP: "400" is not a number of days, or a duration of at least an hour; for example AUDIT_KEEP=400d`},
		{[]string{"AUDIT_KEEP=0d"}, `AUDIT_KEEP: "0d" is not`},
		{[]string{"AUDIT_KEEP=5m"}, `AUDIT_KEEP: "5m" is not`},
		{[]string{"PROVIDER_NETWORKS=public,everywhere"}, `PROVIDER_NETWORKS: "public,everywhere" is not a comma-separated list of public, private, loopback and CIDRs; for example PROVIDER_NETWORKS=public,10.1.0.0/16`},
		{[]string{"PROVIDER_NETWORKS=10.0.0.0/33"}, "PROVIDER_NETWORKS: "},
		{[]string{"DISCOVER_LOCAL=on"}, `DISCOVER_LOCAL: "on" is not one of auto, off`},
		{[]string{"SLACK_API_URL=slack.com"}, `SLACK_API_URL: "slack.com" is not an http or https URL; for example SLACK_API_URL=https://slack.com/api/`},
		{[]string{"SLACK_API_URL=https://u:secret-pw@slack.com/"}, "SLACK_API_URL: must not contain a user name or password"},
		{[]string{"SLACK_API_URL=ftp://u:secret-pw@slack.com/"}, "SLACK_API_URL: its value is not"},
		{[]string{"SLACK_API_URL=https://slack.example/api?key=secret-q"}, "SLACK_API_URL: its value is not"},
		{[]string{"SLACK_UPDATE_LIMIT=50"}, `SLACK_UPDATE_LIMIT: "50" is not calls per minute / burst, or off; for example SLACK_UPDATE_LIMIT=50/10`},
		{[]string{"SLACK_UPDATE_LIMIT=0/10"}, "SLACK_UPDATE_LIMIT: "},
		{[]string{"SLACK_UPDATE_LIMIT=50/-1"}, "SLACK_UPDATE_LIMIT: "},
		{[]string{"STREAM_MODE=native"}, `STREAM_MODE: "native" is not one of edit, auto`},
		{[]string{"DISCORD_API_URL=https://discord.com/api?x=1"}, "DISCORD_API_URL: "},
		{[]string{"DISCORD_GLOBAL_LIMIT=0"}, `DISCORD_GLOBAL_LIMIT: "0" is not requests per second, or off; for example DISCORD_GLOBAL_LIMIT=50`},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317"}, `OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4317" is not an http or https URL`},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported`},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS=secret-x"}, "OTEL_EXPORTER_OTLP_HEADERS: its value is not name=value pairs"},
	} {
		t.Run(strings.Join(c.environ, " "), func(t *testing.T) {
			_, err := load(t, c.environ...)
			bad, ok := errors.AsType[*config.InvalidError](err)
			if !ok {
				t.Fatalf("error is %T: %v", err, err)
			}
			if len(bad.Problems) != 1 {
				t.Errorf("one thing is wrong, told:\n%v", err)
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), "secret-") {
				t.Errorf("leaks: %v", err)
			}
		})
	}
}

func TestWhatIsAllowedOnALoopbackListener(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:7070", "localhost:0", "[::1]:7070", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"} {
		if c, err := load(t, "HTTP_ADDR="+addr); err != nil || !c.Loopback() {
			t.Errorf("%s: loopback %v, %v", addr, c.Loopback(), err)
		}
	}
}

func TestRedisURLForms(t *testing.T) {
	for _, u := range []string{
		"redis://127.0.0.1:6379", "rediss://user:p%40ss@h:6380/3", "redis://a:1,redis://b:2", "redis://a:1,b:2,c:3", "redis://a:1,b", "redis://s1:26379,s2:26379?sentinel_master=m", "redis://[::1]:6379",
	} {
		if _, err := load(t, "REDIS_URL="+u, "MASTER_KEYS="+secret.GenerateKey("k")); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestTheMissingKeyIsReadyToPaste(t *testing.T) {
	_, err := load(t, "REDIS_URL=redis://127.0.0.1:6379")
	m := regexp.MustCompile(`^MASTER_KEYS: .*ready to paste: (MASTER_KEYS=\S+)$`).FindStringSubmatch(fmt.Sprint(err))
	if m == nil {
		t.Fatalf("got %v", err)
	}
	if _, err := load(t, "REDIS_URL=redis://127.0.0.1:6379", m[1]); err != nil {
		t.Errorf("pasting the line does not help: %v", err)
	}
}

func TestTheMissingTokenIsReadyToPaste(t *testing.T) {
	for _, given := range []string{"LOG_LEVEL=info", "ADMIN_TOKEN=short"} {
		_, err := load(t, "HTTP_ADDR=0.0.0.0:7070", given)
		m := regexp.MustCompile(`^ADMIN_TOKEN: .*ready to paste: (ADMIN_TOKEN=\S+)$`).FindStringSubmatch(fmt.Sprint(err))
		if m == nil {
			t.Fatalf("got %v", err)
		}
		if _, err := load(t, "HTTP_ADDR=0.0.0.0:7070", m[1]); err != nil {
			t.Errorf("pasting the line does not help: %v", err)
		}
	}
}

func TestAllProblemsAreReportedAtOnceInTheOrderOfTheFields(t *testing.T) {
	c, err := load(t, "STREAM_MODE=x", "HTTP_ADDR=:1", "REDIS_URL=redis://h:1", "SHUTDOWN_GRACE=x", "DISCORD_GLOBAL_LIMIT=many", "LOG_LEVEL=x", "BOTS_DIR=/still/read")
	var got []string
	for line := range strings.SplitSeq(fmt.Sprint(err), "\n") {
		name, _, _ := strings.Cut(line, ":")
		got = append(got, name)
	}
	want := []string{"ADMIN_TOKEN", "SHUTDOWN_GRACE", "LOG_LEVEL", "MASTER_KEYS", "STREAM_MODE", "DISCORD_GLOBAL_LIMIT"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if c.BotsDir != "/still/read" {
		t.Error("what is right was not read")
	}
}

func TestDotenvGivesWhatTheEnvironmentDoesNot(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	text := "# settings\nHTTP_ADDR=127.0.0.1:1\nLOG_LEVEL=debug\nADMIN_TOKEN='a$b#c0123456789x'\nPLAYGROUND=off\nMY_BOT_TOKEN=xoxb-1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e, err := config.ReadEnvironment([]string{"HTTP_ADDR=127.0.0.1:2", "PLAYGROUND=", "odd"}, file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(e)
	if err != nil {
		t.Fatal(err)
	}
	if c.HTTPAddr != "127.0.0.1:2" || c.LogLevel != "debug" || c.AdminToken.Reveal() != "a$b#c0123456789x" || c.Playground != "auto" {
		t.Errorf("%+v", c)
	}
	if e.Get("MY_BOT_TOKEN") != "xoxb-1" {
		t.Error("bot definitions do not see the file's variables")
	}
	for name, file := range map[string]bool{"ADMIN_TOKEN": true, "LOG_LEVEL": true, "HTTP_ADDR": false, "PLAYGROUND": false, "NOWHERE": false} {
		if e.FromFile(name) != file {
			t.Errorf("%s from the file: %v", name, !file)
		}
	}
}

func TestABrokenDotenvNamesTheLineAndNoValue(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no equals sign": {"A=1\nTOKEN secret-x\nB=2\n", "line 2"},
		"open quote":     {"A=1\nB=2\nTOKEN=\"secret-x\nC=3\n", "line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), ".env")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := config.ReadEnvironment(nil, file)
			if !strings.Contains(fmt.Sprint(err), c.want) || strings.Contains(fmt.Sprint(err), "secret-x") {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := config.ReadEnvironment(nil, t.TempDir()); err == nil {
		t.Error("a folder in the place of .env was accepted")
	}
}

func TestOperator(t *testing.T) {
	read := func(environ ...string) (config.Operator, error) {
		e, err := config.ReadEnvironment(environ, "")
		if err != nil {
			t.Fatal(err)
		}
		return config.LoadOperator(e)
	}
	if o, err := read("ADMIN_TOKEN=t", "REDIS_URL=nonsense"); err != nil || o.URL != "" {
		t.Errorf("%+v %v", o, err)
	}
	if o, err := read("PARLEY_URL=https://bots.example.com/"); err != nil || o.URL != "https://bots.example.com" {
		t.Errorf("%+v %v", o, err)
	}
	if _, err := read("PARLEY_URL=bots.example.com"); !strings.HasPrefix(fmt.Sprint(err), "PARLEY_URL: ") {
		t.Errorf("%v", err)
	}
}

func TestHeaders(t *testing.T) {
	got, err := config.Headers(secret.New("authorization=Bearer%20x=, x-team = a"))
	if want := map[string]string{"authorization": "Bearer x=", "x-team": "a"}; err != nil || !maps.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
}
