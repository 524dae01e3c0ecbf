package placement

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed data/traits.txt
var traitsText string

//go:embed data/classes.txt
var classesText string

// Standard names come with the release (os-traits, os-resource-classes) and
// cannot be changed.
var standardTraits = sync.OnceValue(func() map[string]bool { return names(traitsText) })

var standardClasses = sync.OnceValue(func() map[string]bool { return names(classesText) })

func names(text string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		out[line] = true
	}
	return out
}

// StandardClasses lists the standard resource classes in their own order.
func StandardClasses() []string { return strings.Split(strings.TrimSpace(classesText), "\n") }
