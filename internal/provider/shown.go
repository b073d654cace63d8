// URLs that contain a key: how to show them, and how to restore a shown one.

package provider

import (
	"net/url"
	"slices"
	"strings"
)

// Kept stands for a stored secret wherever a record is shown. In a record that
// is sent back, it keeps the stored secret.
const Kept = "set"

// openParams are the query parameters with public values. All others may be
// keys, because services choose their names.
var openParams = []string{
	"api-version", "apiversion", "version", "api_version", "alt", "beta", "format", "stream",
	"model", "deployment", "deployment-id", "region", "location", "project", "provider", "route", "tenant", "user_type",
}

// ShownURL replaces every value in raw's query that may be a key with Kept. If
// raw is not a URL, it drops everything after a question mark.
func ShownURL(raw string) string {
	shown := eachParam(raw, func(string, string) string { return Kept })
	return shown
}

// HasSecret reports whether raw contains anything that ShownURL hides.
func HasSecret(raw string) bool { return raw != "" && ShownURL(raw) != raw }

// RestoreURL replaces each Kept in shown with the parameter's value in one of
// stored, on the same server. missing lists the parameters without a stored
// value.
func RestoreURL(shown string, stored []string) (raw string, missing []string) {
	raw = eachParam(shown, func(name, value string) string {
		if value != Kept {
			return value
		}
		for _, s := range stored {
			if !SameServer(s, shown) {
				continue
			}
			if found, ok := param(s, name); ok && found != Kept {
				return found
			}
		}
		missing = append(missing, name)
		return value
	})
	return raw, missing
}

// param is the value, still escaped, of a parameter that may be a secret.
func param(raw, name string) (value string, ok bool) {
	eachParam(raw, func(n, v string) string {
		if n == name && !ok {
			value, ok = v, true
		}
		return v
	})
	return value, ok
}

// eachParam rewrites the values of parameters that may be secrets. Names are
// unescaped, values are not, so unchanged parts stay identical.
func eachParam(raw string, value func(name, value string) string) string {
	head, query, ok := strings.Cut(raw, "?")
	if !ok {
		return raw
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, v, assigned := strings.Cut(part, "=")
		if !assigned { // a bare word may be the key itself
			name, v = "", part
		}
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if v == "" || slices.Contains(openParams, strings.ToLower(plain)) && assigned {
			continue
		}
		parts[i] = value(plain, v)
		if assigned {
			parts[i] = name + "=" + parts[i]
		}
	}
	out := head + "?" + strings.Join(parts, "&")
	if hasFragment {
		out += "#" + fragment
	}
	return out
}

// SameServer reports whether two URLs have the same scheme, host and port, so
// that a secret for one may go to the other.
func SameServer(a, b string) bool {
	ua, errA := url.Parse(a)
	ub, errB := url.Parse(b)
	if errA != nil || errB != nil || ua.Host == "" || ub.Host == "" {
		return false
	}
	return strings.EqualFold(ua.Scheme, ub.Scheme) &&
		strings.EqualFold(ua.Hostname(), ub.Hostname()) && portOf(ua) == portOf(ub)
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "https") {
		return "443"
	}
	return "80"
}
