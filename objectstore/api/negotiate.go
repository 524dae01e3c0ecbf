package api

import (
	"strconv"
	"strings"
)

// negotiate picks the offer that an Accept header likes best; of equals the
// earlier. ok is false where it likes none.
func negotiate(accept string, offers []string) (string, bool) {
	best, bestQ, bestFit := "", 0.0, 0
	for _, offer := range offers {
		q, fit := quality(accept, offer)
		if q > bestQ || q == bestQ && q > 0 && fit > bestFit {
			best, bestQ, bestFit = offer, q, fit
		}
	}
	return best, best != ""
}

// quality is what the most specific range that fits says.
func quality(accept, offer string) (q float64, fit int) {
	major, _, _ := strings.Cut(offer, "/")
	for _, part := range strings.Split(accept, ",") {
		name, params, _ := strings.Cut(part, ";")
		weight := 1.0
		for _, p := range strings.Split(params, ";") {
			if v, is := strings.CutPrefix(strings.TrimSpace(p), "q="); is {
				if n, err := strconv.ParseFloat(v, 64); err == nil {
					weight = n
				}
			}
		}
		here := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case offer:
			here = 3
		case major + "/*":
			here = 2
		case "*/*", "*":
			here = 1
		}
		if here > fit {
			q, fit = weight, here
		}
	}
	return q, fit
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
