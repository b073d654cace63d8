// Package near measures how far a typed word is from a name, for every "did you
// mean".
package near

// most bounds what is compared, in code points: names are short, and what a
// person typed may be a whole message.
const most = 200

// Edits counts the insertions, deletions and replacements that make b of a, over
// the first 200 code points of each. Letter case counts.
func Edits(a, b string) int {
	x, y := head(a), head(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			change := diagonal
			if x[i] != y[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// head is the first most code points of s.
func head(s string) []rune {
	if len(s) > 4*most { // no code point is longer than four bytes
		s = s[:4*most]
	}
	r := []rune(s)
	return r[:min(len(r), most)]
}
