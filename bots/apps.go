// Bots that share an app: the rules between their definitions, and which bots
// are in which app.

package bots

import (
	"cmp"
	"fmt"
	"slices"

	"parley/internal/chat"
	"parley/internal/secret"
)

// together checks rules across bots: ids, and shared apps.
func together(all []definition, platforms []chat.Platform) []Problem {
	var out []Problem
	for i, b := range all {
		for _, a := range all[:i] {
			if b.ID != "" && a.ID == b.ID {
				out = append(out, b.problem("id", "id %q is already used by %s", b.ID, a.File))
			}
			out = append(out, b.besides(a, platforms)...)
		}
	}
	return out
}

// besides lists the problems of b if it shares an app with a.
func (b definition) besides(a definition, platforms []chat.Platform) []Problem {
	var out []Problem
	together := false
	for _, p := range platforms {
		mine, theirs := b.sections[p.Name], a.sections[p.Name]
		if !p.HasApps() || !sameApp(mine, theirs) {
			continue
		}
		together = true
		for _, problem := range mine.disagreement(theirs, a.File) {
			problem.File = b.File
			out = append(out, problem)
		}
	}
	if together && a.Default && b.Default {
		out = append(out, b.problem("default", "default: true is also set in %s, and both share one app: only one bot can answer first", a.File))
	}
	return out
}

func (b definition) problem(field, format string, args ...any) Problem {
	return Problem{File: b.File, Line: b.lines[field], Text: fmt.Sprintf(format, args...)}
}

// sameApp compares the values or, if both are empty, the text in the files. So
// it finds a conflict even before the variables are set.
func sameApp(a, b section) bool {
	x, y := a.app(), b.app()
	if x.value == "" && y.value == "" {
		return x.source != "" && x.source == y.source
	}
	return x.value == y.value
}

// Apps groups the bots of a platform by app. In each group the default bot
// comes first: the one with Default, else the first by id. On a platform
// without apps, all bots are in one group.
func Apps(p chat.Platform, all []Bot) [][]Bot {
	var out [][]Bot
	at := map[secret.Text]int{}
	for _, b := range all {
		if !b.On(p) {
			continue
		}
		app := b.Sections[p.Name].App
		i, ok := at[app]
		if !ok {
			i = len(out)
			at[app] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], b)
	}
	for _, group := range out {
		slices.SortFunc(group, leadFirst)
	}
	return out
}

func leadFirst(a, b Bot) int {
	if a.Default != b.Default {
		if a.Default {
			return -1
		}
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}
