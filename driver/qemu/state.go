package qemu

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"altostack/hostapi"
)

// record is what is kept of a guest, in its directory's state.json.
type record struct {
	Spec   spec               `json:"spec"` // what the process has, or will start with
	UID    int                `json:"uid"`
	State  hostapi.GuestState `json:"state"`            // last known
	Ending bool               `json:"ending,omitempty"` // we, or the guest, meant its process to end
	Reason string             `json:"reason,omitempty"`
	PID    int                `json:"pid,omitempty"`
	Since  time.Time          `json:"since"`   // of State
	Start  time.Time          `json:"started"` // of the process
}

const recordName = "state.json"

// save replaces the record in dir, whole or not at all.
func (r record) save(dir string) error {
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, recordName), append(data, '\n'))
}

func replaceFile(path string, data []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

// loadRecords reads every guest's record. A directory without one is the rest
// of a guest whose making or removal was interrupted: it is deleted. One that
// cannot be read makes its guest, not the host, fail: it has to be started anew.
func loadRecords(run string, log *slog.Logger) (map[string]record, error) {
	entries, err := os.ReadDir(run)
	if err != nil {
		return nil, err
	}
	records := map[string]record{}
	for _, entry := range entries {
		if !entry.IsDir() || !safeID.MatchString(entry.Name()) {
			continue
		}
		dir := filepath.Join(run, entry.Name())
		data, err := os.ReadFile(filepath.Join(dir, recordName))
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.RemoveAll(dir); err != nil {
				return nil, err
			}
			continue
		}
		var r record
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err == nil && r.Spec.ID != entry.Name() {
			err = errors.New("it belongs to another guest")
		}
		if err != nil {
			log.Error("a guest's record cannot be read", "server_id", entry.Name(), "error", err)
			r = record{
				Spec: spec{ID: entry.Name()}, UID: -1,
				State: hostapi.GuestCrashed, Reason: "its record on the host could not be read",
			}
		}
		records[r.Spec.ID] = r
	}
	return records, nil
}
