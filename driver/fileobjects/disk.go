package fileobjects

import (
	"errors"
	"io"
	"os"
	"slices"
)

// FS is what the store does to a disk. What it must survive: before Sync of a file
// returns its bytes may be lost in any part; before SyncDir of a directory returns
// what was made, removed or renamed in it may be undone.
type FS interface {
	// Create makes a new file; one that exists is an error.
	Create(name string) (File, error)
	Open(name string) (Reading, error)
	Mkdir(name string) error
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// ReadDir answers the names in a directory.
	ReadDir(name string) ([]string, error)
	SyncDir(name string) error
}

// File is a file being written.
type File interface {
	io.WriteCloser
	Sync() error
}

// Reading is a file being read.
type Reading interface {
	io.ReaderAt
	io.Closer
	Size() (int64, error)
}

// Disk is the machine's file system.
type Disk struct{}

// Create makes a new file.
func (Disk) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open opens a file for reading.
func (Disk) Open(name string) (Reading, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

type diskFile struct{ *os.File }

// Size implements Reading.
func (f diskFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Mkdir makes a directory.
func (Disk) Mkdir(name string) error { return os.Mkdir(name, 0o700) }

// Rename moves a file.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove removes a file or an empty directory.
func (Disk) Remove(name string) error { return os.Remove(name) }

// ReadDir answers the names in a directory, sorted.
func (Disk) ReadDir(name string) ([]string, error) {
	d, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, errors.Join(err, d.Close())
}

// SyncDir makes a directory's entries durable.
func (Disk) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
