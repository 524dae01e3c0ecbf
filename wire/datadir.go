package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"altostack/kernel/id"
)

// DataDir is everything a cloud keeps on a machine. One process holds it at a
// time, by a lock that the kernel lets go of however the process ends.
type DataDir struct {
	Path string
	lock *os.File
}

// Identity is what a cloud is called and its secrets, made at first start and
// never changed. The file is readable by its owner alone.
type Identity struct {
	Cloud         string `json:"cloud"` // six hexadecimal digits; in the names of what is made on the host
	AdminPassword string `json:"admin_password"`
	DemoPassword  string `json:"demo_password"`
	CredentialKey string `json:"credential_key"`
	ExternalCIDR  string `json:"external_cidr"`
}

// ErrInUse says that another process holds the data directory.
var ErrInUse = errors.New("the data directory is in use")

// OpenDataDir makes the directory where it is missing and locks it.
func OpenDataDir(path string) (*DataDir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o711); err != nil { // guests' users pass through to their own files
		return nil, fmt.Errorf("data directory: %w", err)
	}
	d := &DataDir{Path: abs}
	d.lock, err = os.OpenFile(d.File("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = d.lock.Close()
		return nil, fmt.Errorf("%s: %w by process %d; 'altostack down --data %s' ends it", abs, ErrInUse, holder(abs), path)
	}
	if err := d.lock.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := d.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return nil, err
	}
	return d, nil
}

// holder answers the process that holds a data directory; 0 if none says so.
func holder(path string) int {
	data, err := os.ReadFile(filepath.Join(path, "lock"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid
}

// File answers the path of something in the directory.
func (d *DataDir) File(elem ...string) string {
	return filepath.Join(append([]string{d.Path}, elem...)...)
}

// Close lets the directory go.
func (d *DataDir) Close() error { return d.lock.Close() }

// Identity reads the cloud's identity, making it at first start.
func (d *DataDir) Identity() (Identity, bool, error) {
	in, err := ReadIdentity(d.Path)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return in, false, err
	}
	in = Identity{Cloud: id.Secret(3), AdminPassword: id.Secret(12), DemoPassword: id.Secret(12), CredentialKey: id.Secret(32)}
	return in, true, d.SaveIdentity(in)
}

// SaveIdentity writes the identity.
func (d *DataDir) SaveIdentity(in Identity) error {
	data, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return err
	}
	return WriteFile(d.File("identity.json"), append(data, '\n'), 0o600)
}

// ReadIdentity reads the identity of a cloud that may be running.
func ReadIdentity(path string) (Identity, error) {
	var in Identity
	data, err := os.ReadFile(filepath.Join(path, "identity.json"))
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return in, fmt.Errorf("identity.json: %w", err)
	}
	return in, nil
}

// WriteFile replaces a file as a whole, so that nobody ever reads half of it.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(data); err != nil {
		return errors.Join(err, tmp.Close())
	}
	if err := errors.Join(tmp.Chmod(mode), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// leaveWord keeps why a process could not end its guests, for the command that
// asked it to and then finds it gone.
func (d *DataDir) leaveWord(err error) error {
	return WriteFile(d.File("down.error"), []byte(err.Error()+"\n"), 0o600)
}

// LastWord answers, once, what a process that ended left to say; empty: nothing.
func (d *DataDir) LastWord() string {
	text, err := os.ReadFile(d.File("down.error"))
	if err != nil {
		return ""
	}
	_ = os.Remove(d.File("down.error")) // it is said now
	return strings.TrimSpace(string(text))
}
