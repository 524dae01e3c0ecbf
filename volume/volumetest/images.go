package volumetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/volume"
)

// Images is an image service in memory and a folder.
type Images struct {
	mu   sync.Mutex
	dir  string
	all  map[string]volume.Image
	Data map[string]int64 // bytes uploaded
}

// NewImages makes one without images.
func NewImages(t testing.TB) *Images {
	return &Images{dir: t.TempDir(), all: map[string]volume.Image{}, Data: map[string]int64{}}
}

// Add puts an active raw image of the content.
func (i *Images) Add(t testing.TB, img volume.Image, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(i.dir, img.ID), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if img.Status == "" {
		img.Status = "active"
	}
	img.DiskFormat, img.ContainerFormat, img.Size = "raw", "bare", int64(len(content))
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all[img.ID] = img
}

// Get implements volume.Images.
func (i *Images) Get(_ context.Context, _ auth.Scope, id string) (volume.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	img, has := i.all[id]
	if !has {
		return img, fault.New(fault.CodeRestNotFound, "No image %s.", id)
	}
	return img, nil
}

// Path implements volume.Images.
func (i *Images) Path(_ context.Context, id string) (string, string, error) {
	return filepath.Join(i.dir, id), "raw", nil
}

// Create implements volume.Images.
func (i *Images) Create(_ context.Context, _ *db.Tx, _ auth.Scope, spec volume.ImageSpec) (volume.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all[spec.ID] = volume.Image{ID: spec.ID, Name: spec.Name, Status: "queued", DiskFormat: spec.DiskFormat, ContainerFormat: spec.ContainerFormat, Properties: spec.Properties}
	return i.all[spec.ID], nil
}

// Upload implements volume.Images.
func (i *Images) Upload(_ context.Context, _ auth.Scope, id string, data io.Reader) error {
	n, err := io.Copy(io.Discard, data)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	img, has := i.all[id]
	if !has || img.Status != "queued" {
		return fmt.Errorf("image %s is %q", id, img.Status)
	}
	img.Status, img.Size = "active", n
	i.all[id], i.Data[id] = img, n
	return nil
}

// Delete implements volume.Images.
func (i *Images) Delete(_ context.Context, _ auth.Scope, id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.all, id)
	delete(i.Data, id)
	return nil
}

// Status answers an image's status; none is empty.
func (i *Images) Status(id string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.all[id].Status
}
