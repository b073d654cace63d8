// Reading and checking the settings; all problems are reported together.

package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caarlos0/env/v11"

	"parley/internal/chat"
	"parley/internal/secret"
)

// Problem is one invalid variable.
type Problem struct {
	Variable string
	Text     string // one line, contains no secret
}

func (p Problem) String() string { return p.Variable + ": " + p.Text }

// InvalidError lists every problem of the environment, one line each.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads the server's settings, including those of the platforms. With an
// *InvalidError the Config still holds the valid settings, so that a caller
// can look for other problems and report them together.
func Load(e Environment, platforms ...chat.Platform) (Config, error) {
	var c Config
	k := read(e, &c)
	c.HTTPAddrGiven = strings.TrimSpace(e.Get("HTTP_ADDR")) != ""
	k.listener(&c)
	k.store(&c)
	k.networks(c.ProviderNetworks)
	k.platforms(&c, platforms)
	k.traces(&c)
	return c, k.err()
}

// LoadOperator reads the settings of the operator verbs.
func LoadOperator(e Environment) (Operator, error) {
	var o Operator
	k := read(e, &o)
	k.endpoint("PARLEY_URL", &o.URL)
	o.URL = strings.TrimRight(o.URL, "/")
	return o, k.err()
}

// FreshToken ends an error about a missing or weak ADMIN_TOKEN with a new
// token.
func FreshToken() string {
	return "a new one, ready to paste: ADMIN_TOKEN=" + secret.GenerateToken()
}

// check collects problems of a struct's fields.
type check struct {
	environment Environment
	fields      map[string]field // by variable
	problems    []Problem
}

// field describes one variable.
type field struct {
	index         []int // in the struct; problems are sorted by its first number
	want, example string
	words         []string // the only allowed values, if any
	secret        bool
}

func fieldOf(f reflect.StructField) field {
	out := field{index: f.Index, want: f.Tag.Get("want"), example: f.Tag.Get("example"), secret: f.Type == reflect.TypeFor[secret.Text]()}
	if words := f.Tag.Get("oneof"); words != "" {
		out.words = strings.Split(words, ",")
	}
	return out
}

// read fills into, which points to a struct with env tags.
func read(e Environment, into any) *check {
	k := &check{environment: e, fields: map[string]field{}}
	variable := map[string]string{} // by field name
	for f := range reflect.TypeOf(into).Elem().Fields() {
		if name := f.Tag.Get("env"); name != "" && name != "-" {
			k.fields[name], variable[f.Name] = fieldOf(f), name
		}
	}
	values := map[string]string{}
	for name := range k.fields {
		if value := k.value(name); value != "" {
			values[name] = value
		}
	}
	err := env.ParseWithOptions(into, env.Options{Environment: values})
	all, _ := errors.AsType[env.AggregateError](err)
	for _, one := range all.Errors {
		if p, ok := errors.AsType[env.ParseError](one); ok {
			k.wrong(variable[p.Name])
		}
	}
	v := reflect.ValueOf(into).Elem()
	for name, f := range k.fields {
		if f.words != nil {
			k.word(name, v.FieldByIndex(f.index).String())
		}
	}
	return k
}

// value is a variable's value in the environment.
func (k *check) value(variable string) string {
	value := strings.TrimSpace(k.environment.Get(variable))
	if k.fields[variable].words != nil {
		return strings.ToLower(value)
	}
	return value
}

// word checks that a value is one of the allowed words.
func (k *check) word(variable, value string) {
	if words := k.fields[variable].words; !slices.Contains(words, value) {
		k.add(variable, "%s is not one of %s; for example %s=%s", k.shown(variable), strings.Join(words, ", "), variable, words[0])
	}
}

func (k *check) add(variable, format string, args ...any) {
	k.problems = append(k.problems, Problem{Variable: variable, Text: fmt.Sprintf(format, args...)})
}

// wrong reports that a value is not what its field's tag wants.
func (k *check) wrong(variable string) {
	f := k.fields[variable]
	text := k.shown(variable) + " is not " + f.want
	if f.example != "" {
		text += "; for example " + variable + "=" + f.example
	}
	k.add(variable, "%s", text)
}

// shown quotes the value for an error. It returns "its value" if that may
// contain a secret, like a URL with a password or a query.
func (k *check) shown(variable string) string {
	value := strings.TrimSpace(k.environment.Get(variable))
	if k.fields[variable].secret || strings.ContainsAny(value, "@?") {
		return "its value"
	}
	if len(value) > 80 {
		value = strings.ToValidUTF8(value[:80], "") + "…"
	}
	return strconv.Quote(value)
}

// err returns the problems in the order of the struct's fields.
func (k *check) err() error {
	if len(k.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(k.problems, func(a, b Problem) int {
		return k.fields[a.Variable].index[0] - k.fields[b.Variable].index[0]
	})
	return &InvalidError{Problems: k.problems}
}

func (k *check) listener(c *Config) {
	host, port, err := net.SplitHostPort(c.HTTPAddr)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || strings.ContainsAny(host, " /\t") || n > 65535 {
		k.wrong("HTTP_ADDR")
	} else if !c.Loopback() && c.AdminToken.IsZero() {
		k.add("ADMIN_TOKEN", "is required because HTTP_ADDR %s can be reached from other machines; set one, or HTTP_ADDR=127.0.0.1:%s; %s", strconv.Quote(c.HTTPAddr), port, FreshToken())
	}
	k.token(c.AdminToken)
	if c.ShutdownGrace < 0 {
		k.wrong("SHUTDOWN_GRACE")
	}
}

func (k *check) token(t secret.Text) {
	switch n := len(t.Reveal()); {
	case strings.ContainsFunc(t.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		k.wrong("ADMIN_TOKEN")
	case n > 0 && n < secret.MinToken:
		k.add("ADMIN_TOKEN", "is too short to be safe: at least %d characters are needed; %s", secret.MinToken, FreshToken())
	}
}

func (k *check) store(c *Config) {
	if !c.Embedded() && !redisURL(c.RedisURL.Reveal()) {
		k.wrong("REDIS_URL")
	}
	if strings.ContainsAny(c.RedisPrefix, " \t\r\n{}*") {
		k.wrong("REDIS_PREFIX")
	}
	switch {
	case c.RedisWaitReplicas < 0:
		k.wrong("REDIS_WAIT_REPLICAS")
	case c.RedisWaitReplicas > 0 && c.Embedded():
		k.add("REDIS_WAIT_REPLICAS", "is %d, but the embedded store has no replicas; set REDIS_URL, or REDIS_WAIT_REPLICAS=0", c.RedisWaitReplicas)
	}
	if c.MasterKeys.IsZero() {
		if !c.Embedded() {
			k.add("MASTER_KEYS", "is required with REDIS_URL, to encrypt keys and texts at rest; set the same value on every replica and keep a copy. A new one, ready to paste: MASTER_KEYS=%s", secret.GenerateKey("k1"))
		}
		return
	}
	if _, err := secret.ParseRing(c.MasterKeys.Reveal()); err != nil {
		k.add("MASTER_KEYS", "%v; a new one: MASTER_KEYS=%s", err, secret.GenerateKey("k1"))
	}
}

// redisURL accepts a URL or a comma-separated list, where the later ones may
// omit the scheme.
func redisURL(list string) bool {
	for i, s := range strings.Split(list, ",") {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "://") && i > 0 {
			s = "redis://" + s
		}
		u, err := url.Parse(s)
		if err != nil || (u.Scheme != "redis" && u.Scheme != "rediss") || u.Hostname() == "" {
			return false
		}
	}
	return true
}

func (k *check) networks(list string) {
	for word := range strings.SplitSeq(list, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		if word == "" || slices.Contains([]string{"public", "private", "loopback"}, word) {
			continue
		}
		_, notPrefix := netip.ParsePrefix(word)
		_, notAddr := netip.ParseAddr(word)
		if notPrefix != nil && notAddr != nil {
			k.wrong("PROVIDER_NETWORKS")
			return
		}
	}
}

// endpoint checks a base URL. It rejects query and fragment, which are
// meaningless there, and passwords, which would end up in logs.
func (k *check) endpoint(variable string, value *string) {
	if *value == "" {
		return
	}
	u, err := url.Parse(*value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		k.wrong(variable)
		return
	}
	if u.User != nil {
		k.add(variable, "must not contain a user name or password")
	}
}

// platforms reads the platforms' variables.
func (k *check) platforms(c *Config, all []chat.Platform) {
	at, _ := reflect.TypeFor[Config]().FieldByName("Platforms")
	c.Platforms = map[string]string{}
	for _, p := range all {
		for _, v := range p.Variables {
			k.fields[v.Name] = field{index: at.Index, want: v.Want, example: v.Example, words: v.Words}
			value := cmp.Or(k.value(v.Name), v.Default)
			switch {
			case v.URL:
				k.endpoint(v.Name, &value)
			case v.Words != nil:
				k.word(v.Name, value)
			case v.Check != nil && !v.Check(value):
				k.wrong(v.Name)
			}
			c.Platforms[v.Name] = value
		}
	}
}

func (k *check) traces(c *Config) {
	if c.OTLPEndpoint == "" {
		return
	}
	k.endpoint("OTEL_EXPORTER_OTLP_ENDPOINT", &c.OTLPEndpoint)
	if c.OTLPProtocol != "http/protobuf" {
		k.add("OTEL_EXPORTER_OTLP_PROTOCOL", "%s is not supported; traces are sent as http/protobuf, usually to port 4318: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", k.shown("OTEL_EXPORTER_OTLP_PROTOCOL"))
	}
	if _, err := Headers(c.OTLPHeaders); err != nil {
		k.wrong("OTEL_EXPORTER_OTLP_HEADERS")
	}
}

// Headers parses "name=value,name=value" with percent-encoded values,
// OpenTelemetry's format.
func Headers(list secret.Text) (map[string]string, error) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(list.Reveal(), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || name == "" || err != nil {
			return nil, errForm
		}
		out[name] = decoded
	}
	return out, nil
}
