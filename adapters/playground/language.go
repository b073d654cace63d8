// The language of the page's reader, as their browser names it.

package playground

import (
	"net/http"
	"strings"

	"parley/internal/chat"
)

// languageLimit bounds what is kept of Accept-Language: the first languages in it
// are the wanted ones.
const languageLimit = 60

// languageOf is the list of languages that a browser asks for.
func languageOf(r *http.Request) string {
	asked := r.Header.Get("Accept-Language")
	if len(asked) > languageLimit {
		asked = asked[:languageLimit]
		asked = asked[:max(strings.LastIndexByte(asked, ','), 0)]
	}
	return asked
}

// author is the person at the page, with the language they read.
func (p spot) author() chat.Author {
	a := you()
	a.Language = p.language
	return a
}

// says writes a sentence for the reader of a spot.
func (s *server) says(at spot, l chat.Line) string {
	return s.a.o.Ports.Speaker(s.a.byID[at.bot].Language, at.language).Say(l)
}
