package discord

import (
	"strings"
	"unicode/utf8"
)

func render(markdown string) string { return strings.TrimSpace(markdown) }
func measure(markdown string) int   { return utf8.RuneCountInString(render(markdown)) }
