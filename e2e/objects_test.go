//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// objectMiB is how large the large object of the scripts is: E2E_OBJECT_MIB.
func objectMiB() string {
	if v := os.Getenv("E2E_OBJECT_MIB"); v != "" {
		return v
	}
	return "1024"
}

// cmdTree: FOLDER COUNT — makes a tree of that many files, from empty ones to some
// of 100 KiB, with names that clients have to escape.
func cmdTree(ts *testscript.TestScript, _ bool, args []string) {
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	r := rand.New(rand.NewPCG(1, 2))
	data := rand.NewChaCha8([32]byte{1})
	sizes := []int{0, 1, 100, 4096, 10_000, 100_000}
	for i := range count {
		dir := ts.MkAbs(filepath.Join(args[0], fmt.Sprintf("d%d", i%37), "sub dir"))
		ts.Check(os.MkdirAll(dir, 0o755))
		b := make([]byte, sizes[r.IntN(len(sizes))])
		_, _ = data.Read(b)
		ts.Check(os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d é+%%#.txt", i)), b, 0o644))
	}
}

// cmdRandom: FILE MIB — a file that cannot be squeezed.
func cmdRandom(ts *testscript.TestScript, _ bool, args []string) {
	mib, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	defer f.Close()
	_, err = io.CopyN(f, rand.NewChaCha8([32]byte{2}), mib<<20)
	ts.Check(err)
}

// cmdBlobs: SECONDS COUNT — until that many files of bytes are in the object store,
// whole or not; negated, until there is any other number.
func cmdBlobs(ts *testscript.TestScript, neg bool, args []string) {
	seconds, err := strconv.Atoi(args[0])
	ts.Check(err)
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		var found []string
		_ = filepath.WalkDir(filepath.Join(of(ts).data, "objects", "blobs"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found = append(found, path)
			}
			return nil // files come and go meanwhile
		})
		if (len(found) == want) != neg {
			return
		}
		if time.Now().After(until) {
			ts.Fatalf("after %d s %d files are in the object store, want %d: %q", seconds, len(found), want, found[:min(len(found), 10)])
		}
		<-time.After(100 * time.Millisecond)
	}
}
