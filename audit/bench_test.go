package audit_test

import (
	"log/slog"
	"testing"

	"altostack/audit"
	"altostack/audit/store"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/id"
)

// BenchmarkTrail is the whole cost of an event, from the request to the disk.
func BenchmarkTrail(b *testing.B) {
	d, err := db.Open(b.Context(), "sqlite:"+b.TempDir()+"/audit.db")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(b.Context(), "audit", store.Migrations()); err != nil {
		b.Fatal(err)
	}
	key, err := audit.OpenKey(b.TempDir() + "/audit")
	if err != nil {
		b.Fatal(err)
	}
	trail, err := audit.Open(b.Context(), audit.Config{DB: d, Store: store.New(), Key: key, Anchor: b.TempDir() + "/head", Node: "bench", Clock: clock.Real{}, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := range b.N {
		trail.Acted(act(i))
	}
	if err := trail.Close(); err != nil {
		b.Fatal(err)
	}
}
