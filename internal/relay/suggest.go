// "Did you mean": the names nearest to what a person typed, as a sentence.

package relay

import "strings"

// didYouMean is a sentence with a leading space, or nothing.
func didYouMean(prefix string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "`" + prefix + name + "`"
	}
	return " Did you mean " + strings.Join(quoted, " or ") + "?"
}
