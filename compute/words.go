package compute

import "strconv"

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// list appends a word to a list that people read.
func list(so, word string) string {
	if so == "" {
		return word
	}
	return so + ", " + word
}
