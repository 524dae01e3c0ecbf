package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// keyFolder keeps keys as Keystone keeps its own: files named by number, the
// highest signs, 0 is staged to be the next that does, all of them verify. A file
// of a key that signs no more is dated by when it stopped.
//
// Rotating is a few renames, each of which leaves a whole folder behind: whoever is
// killed in between has lost no key, and the next one who comes completes it.
type keyFolder struct {
	dir   string
	fresh func() ([]byte, error)     // a new key as its file holds it
	parse func(texts [][]byte) error // takes the keys over, the signing one first
	mu    sync.Mutex                 // guards seen
	seen  time.Time                  // what the folder was dated when it was read
}

// setUp completes the folder where it is not whole, readable by its owner only.
func (k *keyFolder) setUp() error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("key folder: %w", err)
	}
	unlock, err := k.lock()
	if err != nil {
		return err
	}
	defer unlock()
	names, err := k.names()
	if err != nil {
		return err
	}
	if err := k.complete(names); err != nil {
		return err
	}
	return k.Reload()
}

// complete makes the staged key, and the first that signs, where there is none.
func (k *keyFolder) complete(names []int) error {
	if !slices.Contains(names, 0) {
		if err := k.make(0); err != nil {
			return err
		}
	}
	if len(names) == 0 || names[len(names)-1] == 0 {
		return k.make(1)
	}
	return nil
}

// lock keeps other processes from changing the folder at the same time.
func (k *keyFolder) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(k.dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock key folder: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil // which unlocks
}

// names are the numbers of the keys, ascending.
func (k *keyFolder) names() ([]int, error) {
	files, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, fmt.Errorf("key folder: %w", err)
	}
	var names []int
	for _, f := range files {
		if n, err := strconv.Atoi(f.Name()); err == nil && n >= 0 {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (k *keyFolder) path(n int) string { return filepath.Join(k.dir, strconv.Itoa(n)) }

// make writes a new key; it is whole or not there, whenever we end.
func (k *keyFolder) make(n int) error {
	text, err := k.fresh()
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(k.dir, ".new"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	if err := os.Rename(f.Name(), k.path(n)); err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	return k.sync()
}

// sync makes the names of the folder outlive a power cut.
func (k *keyFolder) sync() error {
	d, err := os.Open(k.dir)
	if err != nil {
		return fmt.Errorf("key folder: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// Reload reads the folder again, after another process rotated it.
func (k *keyFolder) Reload() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	dated, err := os.Stat(k.dir)
	if err != nil {
		return fmt.Errorf("key folder: %w", err)
	}
	names, err := k.names()
	if err != nil {
		return err
	}
	var texts [][]byte
	for _, n := range slices.Backward(names) {
		text, err := os.ReadFile(k.path(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // rotated away meanwhile
		}
		if err != nil {
			return fmt.Errorf("read key: %w", err)
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return fmt.Errorf("key folder %s holds no key", k.dir)
	}
	if err := k.parse(texts); err != nil {
		return fmt.Errorf("key folder %s: %w", k.dir, err)
	}
	k.seen = dated.ModTime()
	return nil
}

// changed reads the folder again if another process changed it: something came
// that no key here made.
func (k *keyFolder) changed() bool {
	dated, err := os.Stat(k.dir)
	if err != nil {
		return false
	}
	k.mu.Lock()
	same := dated.ModTime().Equal(k.seen)
	k.mu.Unlock()
	return !same && k.Reload() == nil
}

// Rotate lets the staged key sign, stages a new one, and forgets those that stopped
// signing longer than life ago: nothing that they made is of use any more.
func (k *keyFolder) Rotate(now time.Time, life time.Duration) error {
	unlock, err := k.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return k.rotate(now, life)
}

// RotateWhenDue rotates a folder whose staged key was made longer ago than every;
// it was made when the signing key began to sign.
func (k *keyFolder) RotateWhenDue(now time.Time, every, life time.Duration) (bool, error) {
	unlock, err := k.lock()
	if err != nil {
		return false, err
	}
	defer unlock()
	staged, err := os.Stat(k.path(0))
	if errors.Is(err, fs.ErrNotExist) { // somebody was killed while rotating
		return false, errors.Join(k.make(0), os.Chtimes(k.path(0), now, now), k.Reload())
	}
	if err != nil {
		return false, fmt.Errorf("rotate: %w", err)
	}
	if now.Sub(staged.ModTime()) < every {
		return false, nil
	}
	return true, k.rotate(now, life)
}

// rotate needs the lock.
func (k *keyFolder) rotate(now time.Time, life time.Duration) error {
	names, err := k.names()
	if err != nil {
		return err
	}
	if err := k.complete(names); err != nil {
		return err
	}
	if names, err = k.names(); err != nil {
		return err
	}
	last := names[len(names)-1]
	if err := os.Chtimes(k.path(last), now, now); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := os.Rename(k.path(0), k.path(last+1)); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := k.make(0); err != nil {
		return err
	}
	if err := os.Chtimes(k.path(0), now, now); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	if err := k.forget(names[1:], now, life); err != nil {
		return err
	}
	return k.Reload()
}

func (k *keyFolder) forget(names []int, now time.Time, life time.Duration) error {
	for _, n := range names {
		f, err := os.Stat(k.path(n))
		if err != nil {
			return fmt.Errorf("rotate: %w", err)
		}
		if now.Sub(f.ModTime()) < life {
			continue
		}
		if err := os.Remove(k.path(n)); err != nil {
			return fmt.Errorf("rotate: %w", err)
		}
	}
	return k.sync()
}
