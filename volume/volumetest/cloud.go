package volumetest

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/saga"
	"altostack/volume"
	"altostack/volume/flow"
	"altostack/volume/store"
)

// Cloud is a block storage service in one process.
type Cloud struct {
	*volume.Service
	Engine  *saga.Engine
	DB      *db.DB
	Disks   *Backend
	Library *Images
	Vault   *Vault
}

// World is what outlives a process: database, disks, images.
type World struct {
	DB      *db.DB
	Disks   *Backend
	Library *Images
	Vault   *Vault
}

// NewWorld makes an empty one on SQLite, with tables.
func NewWorld(t testing.TB) World {
	t.Helper()
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(t.Context(), "volume", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	return World{DB: d, Disks: NewBackend(), Library: NewImages(t), Vault: NewVault()}
}

// Start starts a process over a world; fail is saga.Config.Fault.
func Start(t testing.TB, w World, fail func(saga.Point) error) *Cloud {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	e := saga.New(saga.Config{DB: w.DB, Clock: clock.Real{}, IDs: id.Random{}, Log: log, Alone: true, Fault: fail})
	st := store.New()
	s := volume.New(volume.Config{DB: w.DB, Store: st, Backend: w.Disks, Images: w.Library, Clock: clock.Real{}, IDs: id.Random{}, Log: log, Host: "host1"})
	s.Flows = flow.Register(e, flow.Config{DB: w.DB, Store: st, Backend: w.Disks, Images: w.Library, Vault: w.Vault, Clock: clock.Real{}, IDs: id.Random{}, Pool: s.Pool(), Offers: s.Offers()})
	if err := s.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return &Cloud{Service: s, Engine: e, DB: w.DB, Disks: w.Disks, Library: w.Library, Vault: w.Vault}
}

// New is Start over a new world.
func New(t testing.TB) *Cloud { return Start(t, NewWorld(t), nil) }

// Fill puts n available volumes of 1 GiB into a project, without disks.
func Fill(t testing.TB, c *Cloud, projectID string, n int) {
	t.Helper()
	err := c.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		typ, _, err := c.Store.Type(ctx, tx, volume.DefaultTypeName, "", true)
		if err != nil {
			return err
		}
		for range n {
			now := c.Clock.Now()
			v := volume.Volume{ID: c.IDs.UUID(), ProjectID: projectID, UserID: "u", Name: "v", SizeGiB: 1, TypeID: typ.ID, Status: volume.StatusAvailable,
				AttachStatus: "detached", Zone: c.Zone, Host: c.Pool(), Generation: 1, CreatedAt: now, UpdatedAt: now}
			if err := c.Store.InsertVolume(ctx, tx, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
