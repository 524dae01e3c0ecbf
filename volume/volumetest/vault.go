package volumetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"altostack/kernel/fault"
	"altostack/volume"
)

// Vault keeps backups in memory; it outlives the service over it, as the object
// store does.
type Vault struct {
	mu      sync.Mutex
	objects map[string][]byte
	// Fail is asked before each call; an error is the call's.
	Fail func(verb, name string) error
}

// NewVault makes an empty one.
func NewVault() *Vault { return &Vault{objects: map[string][]byte{}} }

func (v *Vault) enter(ctx context.Context, verb, name string) error {
	if v.Fail != nil {
		return errors.Join(ctx.Err(), v.Fail(verb, name))
	}
	return ctx.Err()
}

// Put implements volume.Vault.
func (v *Vault) Put(ctx context.Context, projectID, container, name string, data []byte) error {
	if err := v.enter(ctx, "put", name); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects[projectID+"/"+container+"/"+name] = bytes.Clone(data)
	return nil
}

// Get implements volume.Vault.
func (v *Vault) Get(ctx context.Context, projectID, container, name string) (io.ReadCloser, error) {
	if err := v.enter(ctx, "get", name); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	data, has := v.objects[projectID+"/"+container+"/"+name]
	if !has {
		return nil, fault.New(fault.CodeVolumeBackupNotFound, "no object %s", name)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Clear implements volume.Vault.
func (v *Vault) Clear(ctx context.Context, projectID, container, prefix string) error {
	if err := v.enter(ctx, "clear", prefix); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.objects, func(name string, _ []byte) bool { return strings.HasPrefix(name, projectID+"/"+container+"/"+prefix) })
	return nil
}

// Names answers every object, as project/container/name.
func (v *Vault) Names() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.objects))
}

// Spoil replaces the objects whose names end so.
func (v *Vault) Spoil(suffix string, data []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name := range v.objects {
		if strings.HasSuffix(name, suffix) {
			v.objects[name] = data
		}
	}
}

var _ volume.Vault = (*Vault)(nil)
