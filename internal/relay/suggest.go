// "Did you mean": the names nearest to what a person typed, as a sentence.

package relay

import "parley/internal/chat"

// didYouMean is a sentence, or says nothing.
func didYouMean(prefix string, names []string) chat.Line {
	if len(names) == 0 {
		return chat.Line{}
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "`" + prefix + name + "`"
	}
	return chat.Say("Did you mean %s?", chat.Either(quoted...))
}
