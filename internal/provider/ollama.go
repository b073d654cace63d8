// The record of an Ollama server, from Ollama's own variable.

package provider

import (
	"net/url"
	"strings"
)

// Ollama is the record of the Ollama server at host, in the syntax of
// OLLAMA_HOST: a host, a port, both, or a URL; empty means Ollama's default.
// The server may not be running.
func Ollama(host string) Provider {
	preset, _ := PresetNamed("ollama")
	p := Provider{ID: preset.Name, Name: preset.Title, Preset: preset.Name, Endpoint: ollamaEndpoint(host), Models: Models{Discover: true}}
	p.Normalize()
	return p
}

// ollamaEndpoint parses the variable like Ollama does: a scheme implies its
// default port, otherwise it is 11434. For an address that listens on every
// interface, it uses loopback.
func ollamaEndpoint(host string) string {
	host = strings.Trim(strings.TrimSpace(host), `"'`)
	scheme, rest, hasScheme := strings.Cut(host, "://")
	if !hasScheme {
		scheme, rest = "http", host
	}
	rest = strings.TrimSuffix(rest, "/")
	u, err := url.Parse(scheme + "://" + rest)
	if err != nil {
		u = &url.URL{Scheme: "http"}
	}
	name, port := u.Hostname(), u.Port()
	switch name {
	case "", "0.0.0.0", "::":
		name = "127.0.0.1"
	}
	if port == "" && !hasScheme {
		port = "11434"
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port != "" {
		name += ":" + port
	}
	return u.Scheme + "://" + name + strings.TrimSuffix(u.Path, "/") + "/v1/chat/completions"
}
