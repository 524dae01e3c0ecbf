package filedisk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// driveLabel is what guests look for.
const driveLabel = "config-2"

// configDrive writes files into an ISO 9660 image with Rock Ridge and Joliet
// names, the latter for Windows. A guest that runs keeps the one it has open.
func (d *Disks) configDrive(dir string, files map[string][]byte) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(d.path("tmp"), "drive-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	tree := filepath.Join(work, "tree")
	for name, body := range files {
		to := filepath.Join(tree, filepath.FromSlash(name))
		if !filepath.IsLocal(name) {
			return "", fmt.Errorf("filedisk: %q cannot be a file of a config drive", name)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, body, 0o644); err != nil {
			return "", err
		}
	}
	image := filepath.Join(work, "config.iso")
	if err := writeISO(image, tree); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "config.iso")
	return path, os.Rename(image, path)
}

func writeISO(path, tree string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	iso, err := iso9660.Create(file.New(f, false), 0, 0, 2048, tree)
	if err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	err = iso.Finalize(iso9660.FinalizeOptions{RockRidge: true, Joliet: true, VolumeIdentifier: driveLabel})
	if err != nil {
		return fmt.Errorf("config drive: %w", err)
	}
	return nil // not synced: after a power cut it is written anew
}
