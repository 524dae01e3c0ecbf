package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"altostack/hostapi"
	"altostack/kernel/fault"
)

// Records keeps small named values over restarts of the agent. Each call is
// atomic; absence is success.
type Records interface {
	// Save stores a value; after a crash either the old or the new one is there.
	Save(name string, value []byte) error
	Delete(name string) error
	// All answers every value by name.
	All() (map[string][]byte, error)
}

// Files are records in a directory, one file each.
type Files struct{ dir string }

// OpenRecords keeps records under dir, which is made if it is missing. Only
// the agent's own user can read them, since descriptions hold tenants' secrets.
func OpenRecords(dir string) (*Files, error) {
	dir = filepath.Join(dir, "records")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &Files{dir: dir}, nil
}

// Save writes a new file, syncs it and puts it in the old one's place.
func (f *Files) Save(name string, value []byte) error {
	tmp, err := os.CreateTemp(f.dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(value)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(f.dir, name+".json"))
	}
	if err != nil {
		err = errors.Join(err, os.Remove(tmp.Name()))
	}
	return err
}

// Delete removes the file.
func (f *Files) Delete(name string) error {
	err := os.Remove(filepath.Join(f.dir, name+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// All reads the directory and clears what a crash left half written.
func (f *Files) All() (map[string][]byte, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		path := filepath.Join(f.dir, e.Name())
		name, whole := strings.CutSuffix(e.Name(), ".json")
		if !whole {
			if err := os.Remove(path); err != nil {
				return nil, err
			}
			continue
		}
		if all[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return all, nil
}

const (
	guestPrefix = "guest-"
	wiringName  = "network"
	hostName    = "host"
)

// record is what the host keeps of one guest.
type record struct {
	Guest     hostapi.Guest        `json:"guest"`
	Built     bool                 `json:"built"`     // a build ended well; false: an order is still to come again
	Converged int64                `json:"converged"` // generation the guest was last made to match
	Result    *hostapi.BuildResult `json:"result,omitempty"`
	Password  string               `json:"password,omitempty"` // posted by the guest, encrypted by itself
}

// desired is the set of records, in memory and through to Records.
type desired struct {
	store Records
	mu    sync.RWMutex
	byID  map[string]record
	net   hostapi.HostNetwork // as last saved, for the start
	wired bool                // net was read
	boot  string              // boot id the host had when the agent last ran
}

func loadDesired(store Records, log *slog.Logger) (*desired, error) {
	all, err := store.All()
	if err != nil {
		return nil, err
	}
	d := &desired{store: store, byID: map[string]record{}}
	for name, value := range all {
		if err := d.load(name, value); err != nil {
			// The control plane knows the same, so a torn record costs one resync.
			log.Warn("a record cannot be read and is dropped", "record", name, "error", err)
		}
	}
	return d, nil
}

func (d *desired) load(name string, value []byte) error {
	switch id, guest := strings.CutPrefix(name, guestPrefix); {
	case name == wiringName:
		err := json.Unmarshal(value, &d.net)
		d.wired = err == nil
		return err
	case name == hostName:
		d.boot = string(value)
	case guest:
		var r record
		if err := json.Unmarshal(value, &r); err != nil {
			return err
		}
		if r.Guest.ID != id {
			return fmt.Errorf("it describes guest %q", r.Guest.ID)
		}
		d.byID[id] = r
	}
	return nil
}

func (d *desired) get(id string) (record, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	r, ok := d.byID[id]
	return r, ok
}

func (d *desired) all() []record {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]record, 0, len(d.byID))
	for _, r := range d.byID {
		list = append(list, r)
	}
	return list
}

// accept stores a description unless a newer one is there. The caller has the
// guest's turn.
func (d *desired) accept(g hostapi.Guest) (record, error) {
	r, _ := d.get(g.ID)
	if r.Guest.Generation > g.Generation {
		return r, fault.New(fault.CodeAgentStaleDescription,
			"The host has generation %d of guest %s, which is newer than %d.", r.Guest.Generation, g.ID, g.Generation)
	}
	r.Guest = g
	return r, d.put(r)
}

func (d *desired) put(r record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := d.store.Save(guestPrefix+r.Guest.ID, b); err != nil {
		return diskFault(err, "store the description of guest %s", r.Guest.ID)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[r.Guest.ID] = r
	return nil
}

func (d *desired) drop(id string) error {
	if err := d.store.Delete(guestPrefix + id); err != nil {
		return fmt.Errorf("delete the description of guest %s: %w", id, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.byID, id)
	return nil
}
