package objectstore_test

import (
	"fmt"
	"slices"
	"testing"

	"altostack/objectstore"
)

// A listing with a delimiter over a million names reads a handful for each
// directory, whatever is in it.
func TestSeekJumps(t *testing.T) {
	const dirs, each = 1000, 1000
	name := func(i int) string { return fmt.Sprintf("d%04d/%04d", i/each, i%each) }
	read := 0
	names := make([]string, dirs*each)
	for i := range names {
		names[i] = name(i)
	}
	from := func(w objectstore.Window) ([]string, error) {
		at, found := slices.BinarySearch(names, string(w.Min))
		if found && w.After {
			at++
		}
		out := names[at:min(at+w.Limit, len(names))]
		read += len(out)
		return out, nil
	}
	list, err := objectstore.Seek(objectstore.Listing{Delimiter: "/", Limit: 10000}, func(s string) (string, int64) { return s, 0 }, from)
	if err != nil || len(list) != dirs || list[999].Subdir != "d0999/" {
		t.Fatal(len(list), err)
	}
	if read > 20*dirs {
		t.Errorf("%d names were read for %d directories", read, dirs)
	}
}
