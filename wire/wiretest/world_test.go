package wiretest_test

import (
	"testing"

	"altostack/wire/wiretest"
)

// TestWorldsAreApart sees that a world can be told from its neighbour: each
// project names its own objects and none of the other's.
func TestWorldsAreApart(t *testing.T) {
	w := wiretest.NewWorld(wiretest.Open(t, nil))
	for kind, id := range w.B.IDs {
		if told := w.A.Told("", id); told != "" {
			t.Errorf("%s of one project is %s of the other", kind, told)
		}
		if w.B.Told("", "about "+id) == "" || w.B.Told("/path/"+id, "about "+id) != "" {
			t.Errorf("%s %s is not recognised", kind, id)
		}
	}
}
