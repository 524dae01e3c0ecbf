package sparse

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCopyKeepsBytesAndHoles(t *testing.T) {
	from, to := create(t, "from"), create(t, "to")
	if err := from.Truncate(64<<20 + 5); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 10 << 20, 64<<20 + 1} {
		if _, err := from.WriteAt([]byte("data"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := Copy(t.Context(), to, from); err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(from.Name())
	b, errB := os.ReadFile(to.Name())
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("the copy differs: %v, %v", errA, errB)
	}
	st, err := to.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > 1<<20 {
		t.Errorf("a copy of 12 bytes takes %d", used)
	}
}

func TestCopyStopsWithItsContext(t *testing.T) {
	from, to := create(t, "from"), create(t, "to")
	if _, err := from.Write([]byte("data")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Copy(ctx, to, from); err == nil {
		t.Error("a copy went on after its context had ended")
	}
}

func TestInUseSeesAnotherOpener(t *testing.T) {
	mine := create(t, "disk")
	if used, err := InUse(mine); err != nil || used {
		t.Fatalf("a free file is in use: %v, %v", used, err)
	}
	other, err := os.OpenFile(mine.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	// QEMU's way: shared locks on the bytes that stand for what it does.
	lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 100, Len: 1}
	if err := unix.FcntlFlock(other.Fd(), unix.F_OFD_SETLK, &lock); err != nil {
		t.Fatal(err)
	}
	if used, err := InUse(mine); err != nil || !used {
		t.Errorf("a locked file is free: %v, %v", used, err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if used, err := InUse(mine); err != nil || used {
		t.Errorf("a file is in use after its user went: %v, %v", used, err)
	}
}

func create(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // a test that ended does not mind
	return f
}
