// Validation of records, and defaults.

package provider

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/internal/chat"
)

// MaxModels is the most models of a provider, in its record or its endpoint's
// list.
const MaxModels = 2000

// Limits of a record, so that a mistake cannot fill menus and memory.
const (
	maxID      = 64
	maxName    = 100
	maxURL     = 2048
	maxSecret  = 8 << 10
	maxHeaders = 50
)

// Normalize trims fields and fills in defaults: the name is the id, absent
// models are one model "default" named after the provider, a model's name is
// its id, apiStyle is "openai". With a preset that has a fixed endpoint, an
// absent endpoint is the preset's.
func (p *Provider) Normalize() {
	p.Name = strings.TrimSpace(p.Name)
	p.Endpoint = strings.TrimSpace(p.Endpoint)
	p.APIStyle = strings.TrimSpace(p.APIStyle)
	p.Proxy = strings.TrimSpace(p.Proxy)
	if p.Name == "" {
		p.Name = p.ID
	}
	if p.APIStyle == "" {
		p.APIStyle = "openai"
	}
	if preset, ok := PresetNamed(p.Preset); ok && p.Endpoint == "" && !strings.Contains(preset.Endpoint, "{") {
		p.Endpoint = preset.Endpoint
	}
	if len(p.Models.List) == 0 && !p.Models.Discover {
		p.Models.List = []Model{{ID: "default", Name: p.ID}}
	}
	for i := range p.Models.List {
		m := &p.Models.List[i]
		m.ID, m.Name = strings.TrimSpace(m.ID), strings.TrimSpace(m.Name)
		if m.Name == "" {
			m.Name = m.ID
		}
	}
}

// ValidID reports whether id is lowercase letters, digits and hyphens.
func ValidID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Validate lists the problems of the record; nil means that it is valid.
func (p *Provider) Validate() []Problem {
	var v problems
	v.hold(ValidID(p.ID), "id", chat.Say("must be lowercase letters, digits and hyphens, at most %d of them", maxID))
	v.text("name", p.Name, maxName)
	if p.Endpoint == "" {
		v.say("endpoint", chat.Say("is required: the full URL of chat completions, such as https://host/v1/chat/completions"))
	} else {
		v.url("endpoint", p.Endpoint)
	}
	v.check(len(p.Endpoints) <= 64, "endpoints", "must be at most 64")
	for i, e := range p.Endpoints {
		v.url(fmt.Sprintf("endpoints[%d]", i), e)
	}
	v.secret("apiKey", p.APIKey.Reveal())
	v.check(p.APIStyle == "" || p.APIStyle == "openai", "apiStyle", fmt.Sprintf("%q is not supported; only \"openai\" is", clip(p.APIStyle, 40)))
	v.headers(p)
	v.models(p.Models)
	v.pricing("pricing", p.Pricing)
	v.check(p.MaxInput >= 0, "maxInput", "must not be negative")
	v.check(p.MaxConcurrent >= 0, "maxConcurrent", "must not be negative")
	v.check(p.SilenceTimeout >= 0 && p.SilenceTimeout <= 86400, "silenceTimeout", "must be 0 to 86400 seconds")
	for name, value := range p.AddParams {
		v.check(name != "messages", "addParams.messages", "is parley's own field and cannot be set")
		_, isBool := value.(bool)
		v.check(name != "stream" || isBool, "addParams.stream", "must be true or false")
	}
	for _, name := range p.DropParams {
		v.check(name != "messages", "dropParams", "every request needs \"messages\"")
	}
	if p.Preset != "" {
		_, known := PresetNamed(p.Preset)
		v.check(known, "preset", fmt.Sprintf("%q is unknown; known are %s", clip(p.Preset, 40), strings.Join(PresetNames(), ", ")))
	}
	if p.Proxy != "" {
		v.proxy(p.Proxy)
	}
	if t := p.TLS; t != nil {
		v.check((t.CertFile == "") == (t.KeyFile == ""), "tls", "certFile and keyFile must be set together")
	}
	return v
}

type problems []Problem

// say notes a problem of a field that people fill in in a form.
func (v *problems) say(field string, l chat.Line) {
	*v = append(*v, Problem{Field: field, Text: l.String(), Say: l})
}

// hold notes a problem of such a field, unless all is well with it.
func (v *problems) hold(ok bool, field string, l chat.Line) {
	if !ok {
		v.say(field, l)
	}
}

// add notes a problem of a field that only records have: it is told in English.
func (v *problems) add(field, text string) { v.say(field, chat.Verbatim(text)) }

func (v *problems) check(ok bool, field, text string) {
	if !ok {
		v.add(field, text)
	}
}

func (v *problems) text(field, s string, most int) {
	v.hold(utf8.RuneCountInString(s) <= most, field, chat.Say("must be at most %d characters", most))
	v.hold(utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl), field, chat.Say("must not contain control characters"))
}

func (v *problems) url(field, raw string) {
	u, err := url.Parse(raw)
	switch {
	case len(raw) > maxURL:
		v.say(field, chat.Say("must be at most %d characters", maxURL))
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		v.say(field, chat.Say("must not contain spaces or control characters"))
	case err != nil:
		v.say(field, chat.Say("is not a valid URL"))
	case u.Scheme != "http" && u.Scheme != "https":
		v.say(field, chat.Say("must be an http or https URL, such as https://host/v1/chat/completions"))
	case u.Hostname() == "":
		v.say(field, chat.Say("must have a host, such as https://host/v1/chat/completions"))
	case u.User != nil:
		v.say(field, chat.Say("must not contain a user or password; use apiKey or extraHeaders"))
	case u.Fragment != "" || strings.Contains(raw, "#"):
		v.say(field, chat.Say("must not have a fragment (#)"))
	default:
		v.reachable(field, u.Hostname())
	}
}

// reachable rejects addresses that no setting allows. Names are checked when
// they are dialed.
func (v *problems) reachable(field, host string) {
	if why := neverHost(host); why != "" {
		*v = append(*v, Problem{Field: field, Text: "can never be reached: " + why, Say: chat.Say("is an address that PROVIDER_NETWORKS can never allow")})
	}
}

func (v *problems) proxy(raw string) {
	u, err := url.Parse(raw)
	ok := err == nil && u.Hostname() != "" && slices.Contains([]string{"http", "https"}, u.Scheme)
	v.check(ok, "proxy", "must be an http or https URL with a host")
	if ok {
		v.reachable("proxy", u.Hostname())
	}
}

// secret checks a value for a header. It never quotes it.
func (v *problems) secret(field, s string) {
	v.hold(len(s) <= maxSecret, field, chat.Say("must be at most %d KiB", maxSecret>>10))
	v.hold(!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }), field, chat.Say("must not contain line breaks or control characters"))
	v.hold(s != "[redacted]", field, chat.Say("is what parley shows instead of a secret; leave the field out, or use \"set\" to keep the stored one"))
}

// fixedHeaders are set by the HTTP client itself.
var fixedHeaders = []string{"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "keep-alive", "proxy-connection", "expect"}

func (v *problems) headers(p *Provider) {
	v.check(len(p.ExtraHeaders) <= maxHeaders, "extraHeaders", fmt.Sprintf("must be at most %d", maxHeaders))
	for name, value := range p.ExtraHeaders {
		field := "extraHeaders." + clip(name, 60)
		v.check(validToken(name), field, "is not a valid header name")
		v.check(!slices.Contains(fixedHeaders, strings.ToLower(name)), field, "is set by the HTTP client")
		v.secret(field, value.Reveal())
	}
}

// validToken reports whether s is an RFC 9110 token.
func validToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}

func (v *problems) models(m Models) {
	v.hold(len(m.List) <= MaxModels, "models", chat.Say("must be at most %d", MaxModels))
	seen := map[string]bool{}
	for i, model := range m.List {
		where := fmt.Sprintf("models[%d]", i)
		v.hold(model.ID != "", where+".id", chat.Say("is required"))
		v.hold(!seen[model.ID], where+".id", chat.Say("%q is given twice", clip(model.ID, 60)))
		seen[model.ID] = true
		v.text(where+".id", model.ID, 200)
		v.text(where+".name", model.Name, 200)
		v.check(model.MaxInput >= 0, where+".maxInput", "must not be negative")
		v.pricing(where+".pricing", model.Pricing)
	}
}

func (v *problems) pricing(field string, p *Pricing) {
	if p != nil {
		v.check(p.Input >= 0 && p.Output >= 0, field, "must not be negative")
	}
}

// clip shortens s to at most n code points.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
