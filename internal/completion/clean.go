// Endpoints repeat keys in error messages and prompts in validation errors.
// What parley logs or shows of their text contains neither.

package completion

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/internal/provider"
)

const (
	maxText = 300 // most characters kept of an endpoint's text
	cut     = "[…]"
	// window is how many consecutive bytes make an echo: shorter matches are
	// common words.
	window = 10
	// leastSecret is the minimum length of a secret in a header or a query.
	leastSecret = 8
)

// cleaner removes secrets and the request's own text from an endpoint's text.
type cleaner struct {
	secrets []string
	said    []string
}

func newCleaner(p provider.Provider, r Request) cleaner {
	var c cleaner
	for _, key := range p.Keys() {
		c.secret(key.Reveal())
	}
	for _, v := range p.ExtraHeaders {
		if len(strings.TrimSpace(v.Reveal())) >= leastSecret { // shorter values are words, such as a team's name
			c.secret(v.Reveal())
		}
	}
	for _, endpoint := range append([]string{p.Endpoint, p.Proxy}, p.Endpoints...) {
		c.urlSecrets(endpoint)
	}
	for _, m := range r.Messages {
		c.said = append(c.said, m.Text(), m.Name)
	}
	return c
}

// Clean is an endpoint's text without p's secrets and anything that looks like
// a key, on one line, at most 300 characters.
func Clean(p provider.Provider, text string) string { return newCleaner(p, Request{}).text(text) }

// urlSecrets collects what may be a key in a URL: long query values, and a
// proxy's password.
func (c *cleaner) urlSecrets(raw string) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return
	}
	for name, values := range u.Query() {
		for _, v := range values {
			if len(v) >= leastSecret && name != "api-version" {
				c.secret(v)
			}
		}
	}
	if password, ok := u.User.Password(); ok {
		c.secret(password)
	}
}

func (c *cleaner) secret(s string) {
	if s = strings.TrimSpace(s); len(s) < 3 {
		return
	}
	c.secrets = append(c.secrets, s)
	if scheme, token, ok := strings.Cut(s, " "); ok && len(token) > 5 && len(scheme) < 12 { // "Bearer …" in a header
		c.secrets = append(c.secrets, token)
	}
}

// keyLike matches text that looks like a key, whole or masked by the endpoint.
var keyLike = regexp.MustCompile(`(?i)\b(sk|pk|gsk|xai|key|hf|nvapi|api)[-_][A-Za-z0-9*•._-]{6,}|\bbearer\s+[^\s"',;]{6,}|\bAIza[A-Za-z0-9_-]{10,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_.-]+|[A-Za-z0-9]{2,}[*•]{3,}[A-Za-z0-9]*`)

// dataURL matches an echoed image, up to its end or where the text was cut.
var dataURL = regexp.MustCompile(`data:[a-z]+/[a-z.+-]+;base64,[A-Za-z0-9+/=]*`)

// text is s without keys and echoes, on one line, at most 300 characters.
func (c cleaner) text(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = s[:prefix(s, 4000)]
	s = dataURL.ReplaceAllString(s, cut)
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "[redacted]")
		if quoted, err := json.Marshal(secret); err == nil {
			s = strings.ReplaceAll(s, strings.Trim(string(quoted), `"`), "[redacted]")
		}
	}
	s = keyLike.ReplaceAllStringFunc(s, func(m string) string {
		if isField(m) {
			return m
		}
		return "[redacted]"
	})
	s = c.cutEchoes(s)
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	return Clip(s, maxText)
}

// isField spares names such as key_value or api_version that hold no digits.
func isField(m string) bool {
	return !strings.ContainsAny(m, "0123456789*•") && !strings.Contains(strings.ToLower(m), "bearer") && len(m) < 24
}

func prefix(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return n
}

// cutEchoes replaces text of the request's messages with a mark: every run of
// window bytes, every short message as a whole, every longer word with a
// digit.
func (c cleaner) cutEchoes(s string) string {
	text := unescape(s)
	gone := make([]bool, len(text))
	at := map[string][]int{}
	for i := 0; i+window <= len(text); i++ {
		at[text[i:i+window]] = append(at[text[i:i+window]], i)
	}
	for _, said := range c.said {
		said = strings.ToValidUTF8(said, "\ufffd")
		for i := 0; i+window <= len(said); i++ {
			places, echoed := at[said[i:i+window]]
			for _, j := range places {
				mark(gone, j, window)
			}
			if echoed {
				delete(at, said[i:i+window])
			}
		}
		if short := strings.TrimSpace(said); short != "" && len(short) < window {
			markWord(text, gone, short)
		}
		for word := range strings.FieldsFuncSeq(said, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(word) >= 4 && len(word) < window && strings.ContainsAny(word, "0123456789") {
				markWord(text, gone, word)
			}
		}
	}
	if !slices.Contains(gone, true) {
		return s
	}
	return withoutMarked(text, gone)
}

func mark(gone []bool, at, n int) {
	for i := at; i < at+n; i++ {
		gone[i] = true
	}
}

// markWord marks a word wherever it stands by itself.
func markWord(text string, gone []bool, word string) {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if !unicode.IsLetter(before) && !unicode.IsDigit(before) && !unicode.IsLetter(after) && !unicode.IsDigit(after) {
			mark(gone, i, len(word))
		}
		from = i + len(word)
	}
}

func withoutMarked(text string, gone []bool) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if gone[i] {
			b.WriteString(cut)
			for i < len(text) && (gone[i] || !utf8.RuneStart(text[i])) {
				i++
			}
			continue
		}
		_, size := utf8.DecodeRuneInString(text[i:])
		if slices.Contains(gone[i:i+size], true) {
			gone[i] = true
			continue
		}
		b.WriteString(text[i : i+size])
		i += size
	}
	return b.String()
}

// unescape undoes the escapes of a quoted echo, so that it is recognized.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\"`, `"`, `\'`, `'`, `\\`, `\`).Replace(s)
}

// Clip is s, cut to at most n code points with an ellipsis.
func Clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
