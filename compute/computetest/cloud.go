package computetest

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"altostack/compute"
	"altostack/compute/flow"
	"altostack/compute/store"
	"altostack/hostapi"
	"altostack/kernel/auth"
	"altostack/kernel/bus"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/saga"
)

// Cloud is compute with its sagas over a world.
type Cloud struct {
	*World
	DB      *db.DB
	Service *compute.Service
	Flows   *flow.Flows
	Engine  *saga.Engine
	stop    func()
}

// Project and User are who asks in tests.
const (
	Project = "11111111111111111111111111111111"
	User    = "22222222222222222222222222222222"
)

// ImageID and FlavorID name what Open puts there.
const (
	ImageID  = "70a599e0-31e7-49b7-b260-868f441e862b"
	FlavorID = "42"
)

// Scope is a member of Project.
func Scope() auth.Scope { return auth.As(Project, User) }

// Open makes a database with compute's tables, a flavor, an image, and a cloud
// on it that has started.
func Open(t testing.TB, w *World) *Cloud {
	t.Helper()
	d := dbtest.SQLite(t)
	ctx := context.Background()
	if err := d.Migrate(ctx, "saga", saga.Migrations()); err != nil {
		t.Fatal(err)
	}
	if err := d.Migrate(ctx, "compute", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	w.Images[ImageID] = compute.Image{ID: ImageID, Status: "active", DiskFormat: "qcow2", Size: 1 << 20, VirtualSize: 1 << 24, HashValue: "aa"}
	if err := d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return store.New(d).InsertFlavor(ctx, tx, compute.Flavor{ID: FlavorID, Name: "m1.nano", VCPUs: 1, MemoryMiB: 64, DiskGiB: 1, Public: true, RxTx: 1, CreatedAt: time.Unix(1700000000, 0)})
	}); err != nil {
		t.Fatal(err)
	}
	c := Start(t, d, w, nil)
	for _, h := range w.Hosts {
		if err := c.Service.Register(ctx, hostapi.Host{Name: h, Protocol: hostapi.Version, VCPUs: 64, MemoryMiB: 65536, DiskGiB: 1000}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Start makes a process of the cloud over a database that another one had;
// faults may kill its sagas.
func Start(t testing.TB, d *db.DB, w *World, faults func(saga.Point) error) *Cloud {
	t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	b := bus.NewLocal()
	engine := saga.New(saga.Config{DB: d, Clock: clock.Real{}, IDs: id.Random{}, Log: log, Alone: true, Fault: faults})
	svc := compute.New(compute.Config{DB: d, Store: store.New(d), Clock: clock.Real{}, IDs: id.Random{}, Log: log, Bus: b, Hosts: Hosts{w},
		Placement: Placement{w}, Images: Images{w}, Network: Network{w, d}, Volumes: Volumes{w}, Identity: Identity{}})
	flows := flow.New(engine, svc)
	c := &Cloud{World: w, DB: d, Service: svc, Flows: flows, Engine: engine, stop: flows.Close}
	w.Lock()
	w.Conductor = svc.Conductor()
	w.Unlock()
	if err := engine.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Close ends the process; what it did stays in its database.
func (c *Cloud) Close() {
	c.Engine.Close()
	c.stop()
}

// Boot asks for a server and waits for the end of its boot.
func (c *Cloud) Boot(t testing.TB, edit func(*compute.Create)) compute.Server {
	t.Helper()
	want := compute.Create{Name: "one", ImageID: ImageID, FlavorID: FlavorID, Min: 1, Max: 1, DiskConfig: "MANUAL"}
	if edit != nil {
		edit(&want)
	}
	made, err := c.Service.Create(context.Background(), Scope(), want)
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(t, made.Servers[0].ID)
	return c.Server(t, made.Servers[0].ID)
}

// Server reads a server, deleted or not.
func (c *Cloud) Server(t testing.TB, id string) compute.Server {
	t.Helper()
	s, err := c.Service.GetAny(context.Background(), Scope(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Settle waits until no saga works on a server.
func (c *Cloud) Settle(t testing.TB, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	rows, err := saga.Of(ctx, c.DB, id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if err := c.Engine.Wait(ctx, r.ID); err != nil {
			t.Fatalf("saga %s of server %s does not end: %v", r.Kind, id, err)
		}
	}
}
