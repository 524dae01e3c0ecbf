package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"altostack/audit"
	"altostack/audit/store"
	"altostack/kernel/auth"
	"altostack/kernel/bus"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
	"altostack/kernel/id"
	"altostack/kernel/rest"
)

// bench is a trail with its surroundings.
type bench struct {
	*testing.T
	cfg   audit.Config
	clock *clock.Virtual
}

func (b *bench) open() *audit.Trail {
	b.Helper()
	t, err := audit.Open(b.Context(), b.cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.Close() })
	return t
}

func on(t *testing.T, d *db.DB) *bench {
	t.Helper()
	dir := t.TempDir()
	key, err := audit.OpenKey(filepath.Join(dir, "keys", "audit"))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, clock: clock.NewVirtual(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC))}
	b.cfg = audit.Config{DB: d, Store: store.New(), Key: key, Anchor: filepath.Join(dir, "audit.head"), Node: "one", Clock: b.clock, IDs: id.Random{}, Log: slog.New(slog.DiscardHandler)}
	return b
}

func each(t *testing.T, test func(b *bench)) {
	dbtest.Each(t, "audit", store.Migrations(), func(t *testing.T, d *db.DB) { test(on(t, d)) })
}

func alone(t *testing.T) *bench {
	d := dbtest.SQLite(t)
	if err := d.Migrate(t.Context(), "audit", store.Migrations()); err != nil {
		t.Fatal(err)
	}
	return on(t, d)
}

func act(i int) rest.Act {
	return rest.Act{Service: "nova", Route: rest.On("POST /v2.1/servers", "", nil), Path: "/compute/v2.1/servers", ObjectID: fmt.Sprintf("server-%d", i), Status: 202,
		RequestID: fmt.Sprintf("req-%d", i), Principal: &auth.Principal{UserID: "ann", UserName: "Ann", ProjectID: "p", AuditID: "a"}, Attempt: auth.Attempt{Address: "192.0.2.7"}, Agent: "openstack"}
}

func (b *bench) acts(t *audit.Trail, n int) {
	b.Helper()
	for i := range n {
		t.Acted(act(i))
	}
	if err := t.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) log() *audit.Log {
	return &audit.Log{DB: b.cfg.DB, Store: b.cfg.Store, Key: b.cfg.Key, Anchor: b.cfg.Anchor}
}

func (b *bench) verify() audit.Report {
	b.Helper()
	r, err := b.log().Verify(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func (b *bench) exec(q string, args ...any) {
	b.Helper()
	if err := b.cfg.DB.Write(b.Context(), func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Exec(ctx, q, args...)
		if err == nil && n == 0 {
			err = errors.New("nothing was altered")
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
}

func TestATrailHoldsOverRestarts(t *testing.T) {
	each(t, func(b *bench) {
		trail := b.open()
		b.acts(trail, 600) // more than a batch
		if err := trail.Close(); err != nil {
			t.Fatal(err)
		}
		b.acts(b.open(), 3)
		r := b.verify()
		if len(r.Problems) > 0 || len(r.Notes) > 0 || r.Records != 600+3+3 { // two starts, one stop
			t.Errorf("%+v", r)
		}
	})
}

func TestAKilledProcessIsNoted(t *testing.T) {
	b := alone(t)
	b.acts(b.open(), 2) // and never closed
	b.acts(b.open(), 1)
	if r := b.verify(); len(r.Problems) > 0 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "killed") {
		t.Errorf("%+v", r)
	}
}

// What is done to a trail without its key is found, and the record is named.
func TestAlterationsAreFound(t *testing.T) {
	newest := "(SELECT MAX(seq) FROM audit_events)"
	tests := map[string]struct {
		sql  []string
		seq  int64 // of the problem that must be named; 6 records: start, five acts
		want string
	}{
		"an event is edited":             {[]string{"UPDATE audit_events SET event = REPLACE(event, 'ann', 'bob') WHERE seq = 3"}, 3, "altered"},
		"its time is edited":             {[]string{"UPDATE audit_events SET at = at + 1 WHERE seq = 3"}, 3, "altered"},
		"a hash is edited":               {[]string{"UPDATE audit_events SET hash = 'x' WHERE seq = 3"}, 3, "altered"},
		"a seal is edited":               {[]string{"UPDATE audit_events SET seal = 'x' WHERE seq = 3"}, 3, "put in"},
		"a record is deleted":            {[]string{"DELETE FROM audit_events WHERE seq = 3"}, 3, "missing"},
		"several are deleted":            {[]string{"DELETE FROM audit_events WHERE seq IN (3, 4)"}, 3, "3 to 4 are missing"},
		"the first is deleted":           {[]string{"DELETE FROM audit_events WHERE seq = 1"}, 1, "missing"},
		"a record replaces another":      {[]string{"DELETE FROM audit_events WHERE seq = 3", "UPDATE audit_events SET seq = 3 WHERE seq = 6"}, 3, "altered"},
		"a copy is put in after the end": {[]string{"INSERT INTO audit_events SELECT chain, seq + 4, at, event, prev, hash, seal FROM audit_events WHERE seq = 3"}, 7, "altered, or put in"},
		"two change places":              {[]string{"UPDATE audit_events SET seq = 99 WHERE seq = 3", "UPDATE audit_events SET seq = 3 WHERE seq = 4", "UPDATE audit_events SET seq = 4 WHERE seq = 99"}, 3, "altered"},
		"the end is cut off":             {[]string{"DELETE FROM audit_events WHERE seq > 4"}, 5, "cut off"},
		"the end and its head are cut off": {[]string{"DELETE FROM audit_events WHERE seq > 4",
			"UPDATE audit_chains SET head_seq = 4, head_hash = (SELECT hash FROM audit_events WHERE seq = 4)"}, 5, "cut off"},
		"the beginning is cut off": {[]string{"DELETE FROM audit_events WHERE seq < 3",
			"UPDATE audit_chains SET base_seq = 2, base_hash = (SELECT prev FROM audit_events WHERE seq = 3)"}, 2, "beginning was altered"},
		"all of it is deleted":              {[]string{"DELETE FROM audit_events", "DELETE FROM audit_chains"}, 6, "whole chain"},
		"the head is edited":                {[]string{"UPDATE audit_chains SET head_hash = 'x'"}, 6, "end was altered"},
		"the last record's event is edited": {[]string{"UPDATE audit_events SET event = '{}' WHERE seq = " + newest}, 6, "altered"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := alone(t)
			b.acts(b.open(), 5)
			if r := b.verify(); len(r.Problems) > 0 {
				t.Fatalf("before: %+v", r)
			}
			for _, q := range tt.sql {
				b.exec(q)
			}
			r := b.verify()
			found := false
			for _, p := range r.Problems {
				found = found || p.Seq == tt.seq && strings.Contains(p.What, tt.want)
			}
			if !found {
				t.Errorf("want record %d %q, found %v", tt.seq, tt.want, r.Problems)
			}
		})
	}
}

func TestAHeadWithoutItsFileIsFound(t *testing.T) {
	b := alone(t)
	b.acts(b.open(), 2)
	if err := os.Remove(b.cfg.Anchor); err != nil {
		t.Fatal(err)
	}
	if r := b.verify(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "file") {
		t.Errorf("%+v", r)
	}
}

// An edit of one record is told of that one only.
func TestASingleEditNamesASingleRecord(t *testing.T) {
	b := alone(t)
	b.acts(b.open(), 5)
	b.exec("UPDATE audit_events SET event = REPLACE(event, 'server-2', 'server-9') WHERE seq = 4")
	if r := b.verify(); len(r.Problems) != 1 || r.Problems[0].Seq != 4 || r.Problems[0].Event == "" {
		t.Errorf("%v", r.Problems)
	}
}

// An older state of the database, with its own head, is older than the file.
func TestASetBackDatabaseIsFound(t *testing.T) {
	b := alone(t)
	trail := b.open()
	b.acts(trail, 2)
	old, _, err := b.cfg.Store.Chain(t.Context(), b.cfg.DB, b.cfg.Key.Chain())
	if err != nil {
		t.Fatal(err)
	}
	b.acts(trail, 2)
	setBack := func() {
		b.exec("DELETE FROM audit_events WHERE seq > $1", old.Head.Seq)
		b.exec("UPDATE audit_chains SET head_seq = $1, head_hash = $2, head_seal = $3", old.Head.Seq, old.Head.Hash, old.Head.Seal)
	}
	setBack()
	if r := b.verify(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "cut off") {
		t.Errorf("%+v", r)
	}
	b.acts(b.open(), 9) // a restart must not cover it up
	if r := b.verify(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0].What, "set back") {
		t.Errorf("after a restart: %+v", r)
	}
}

func TestATrailGoesOnAfterRecordsWerePutIn(t *testing.T) {
	b := alone(t)
	b.acts(b.open(), 2)
	b.exec("INSERT INTO audit_events SELECT chain, seq + 3, at, event, prev, hash, seal FROM audit_events")
	b.acts(b.open(), 1)
	if r := b.verify(); r.Records != 8 || len(r.Problems) < 3 {
		t.Errorf("%+v", r)
	}
}

func TestRetentionSealsTheNewBeginning(t *testing.T) {
	each(t, func(b *bench) {
		b.cfg.Retention = 24 * time.Hour
		trail := b.open()
		for range 9 {
			b.acts(trail, 250)
		}
		b.clock.Advance(25 * time.Hour)
		b.acts(trail, 5)
		if err := trail.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.acts(trail, 1)
		if r := b.verify(); r.Records != 6 || len(r.Problems) > 0 {
			t.Errorf("%+v", r)
		}
		if err := trail.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := b.verify(); r.Records != 6 || len(r.Problems) > 0 {
			t.Errorf("again: %+v", r)
		}
	})
}

// A queue that is full makes callers wait and loses nothing.
func TestNothingIsLostWhenTheQueueIsFull(t *testing.T) {
	b := alone(t)
	b.cfg.Queue, b.cfg.Batch = 2, 2
	trail := b.open()
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range 20 {
				trail.Acted(act(i))
			}
		})
	}
	all.Wait()
	if err := trail.Close(); err != nil {
		t.Fatal(err)
	}
	trail.Acted(act(1)) // after the end: neither kept nor waited for
	if r := b.verify(); r.Records != 402 || len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
}

// A database that fails for a while holds events up; they are written later.
func TestAFailingDatabaseLosesNothing(t *testing.T) {
	b := alone(t)
	var mu sync.Mutex
	broken := false
	tried := make(chan struct{}, 100)
	b.cfg.DB.Around(func(commit func() error) error {
		mu.Lock()
		defer mu.Unlock()
		if broken {
			tried <- struct{}{}
			return errors.New("no room on the disk")
		}
		return commit()
	})
	b.cfg.Clock = clock.Real{}
	trail := b.open()
	b.acts(trail, 1)
	mu.Lock()
	broken = true
	mu.Unlock()
	trail.Acted(act(1))
	<-tried
	mu.Lock()
	broken = false
	mu.Unlock()
	b.acts(trail, 1)
	if r := b.verify(); r.Records != 4 || len(r.Problems) > 0 {
		t.Errorf("%+v", r)
	}
}

func TestRecordsAreListedExportedAndPublished(t *testing.T) {
	b := alone(t)
	local := bus.NewLocal()
	heard := make(chan audit.Record, 100)
	local.Listen(audit.Subject, func(event []byte) {
		var r audit.Record
		if err := json.Unmarshal(event, &r); err != nil {
			t.Error(err)
		}
		heard <- r
	})
	b.cfg.Bus = local
	trail := b.open()
	b.acts(trail, 3)
	b.clock.Advance(time.Hour)
	since := b.clock.Now()
	b.acts(trail, 2)
	if len(heard) != 6 {
		t.Errorf("heard %d", len(heard))
	}
	rows, err := b.log().List(t.Context(), since, 10, func(e audit.Event) bool { return e.Initiator.ID == "ann" })
	if err != nil || len(rows) != 2 || rows[0].Seq != 6 {
		t.Errorf("%v: %v", rows, err)
	}
	var out strings.Builder
	if n, err := b.log().Export(t.Context(), since, &out); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if r, err := b.log().VerifyLines(strings.NewReader(out.String())); err != nil || len(r.Problems) > 0 || r.Records != 2 {
		t.Errorf("%+v: %v", r, err)
	}
	edited := strings.Replace(out.String(), `"id":"ann"`, `"id":"eve"`, 1)
	if r, err := b.log().VerifyLines(strings.NewReader(edited)); err != nil || len(r.Problems) != 1 || r.Problems[0].Seq != 5 {
		t.Errorf("%+v: %v", r, err)
	}
}

func TestLongListsArePaged(t *testing.T) {
	each(t, func(b *bench) {
		b.acts(b.open(), 1200)
		rows, err := b.log().List(t.Context(), time.Time{}, 5000, func(audit.Event) bool { return true })
		if err != nil || len(rows) != 1201 || rows[0].Seq != 1201 || rows[1200].Seq != 1 {
			t.Fatalf("%d rows: %v", len(rows), err)
		}
		for i, r := range rows {
			if r.Seq != int64(1201-i) {
				t.Fatalf("row %d is record %d", i, r.Seq)
			}
		}
		if n, err := b.log().Export(t.Context(), time.Time{}, io.Discard); err != nil || n != 1201 {
			t.Errorf("exported %d: %v", n, err)
		}
	})
}

// Events have the members that CADF demands, with values of its taxonomy.
func TestEventsAreCADF(t *testing.T) {
	login := rest.Act{Service: "keystone", Route: rest.On("POST /v3/auth/tokens", "", nil).Open(), Path: "/identity/v3/auth/tokens", Status: 401, RequestID: "req-1",
		Attempt: auth.Attempt{Proving: true, Methods: []string{"password"}, UserID: "bob", UserName: "Bob", Why: "The account is locked for user: bob."}}
	reboot := act(1)
	reboot.Route, reboot.ObjectID = rest.On("POST /v2.1/servers/{server_id}/action", "", nil).Act("reboot"), ""
	reboot.Values = map[string]string{"server_id": "s1"}
	grant := act(1)
	grant.Service, grant.ObjectID = "keystone", ""
	grant.Route = rest.On("PUT /v3/projects/{project_id}/users/{user_id}/roles/{role_id}", "", nil)
	grant.Values = map[string]string{"project_id": "p1", "user_id": "u1", "role_id": "r1"}
	made := act(7)
	made.Service, made.ObjectID, made.Route = "keystone", "u9", rest.On("POST /v3/users", "", nil)
	tests := []struct {
		act                                rest.Act
		action, outcome, kind, target, who string
	}{
		{act(7), "create", "success", "service/compute/servers", "server-7", "ann"},
		{reboot, "update/reboot", "success", "service/compute/servers", "s1", "ann"},
		{grant, "update", "success", "data/security/role", "r1", "ann"},
		{made, "create", "success", "data/security/account/user", "u9", "ann"},
		{login, "authenticate", "failure", "service/security/account/user", "bob", "bob"},
	}
	b := alone(t)
	trail := b.open()
	for _, tt := range tests {
		tt.act.Start = b.clock.Now()
		trail.Acted(tt.act)
		if err := trail.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		rows, err := b.log().List(t.Context(), time.Time{}, 1, func(audit.Event) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		var e audit.Event
		if err := json.Unmarshal([]byte(rows[0].Event), &e); err != nil {
			t.Fatal(err)
		}
		if e.TypeURI != "http://schemas.dmtf.org/cloud/audit/1.0/event" || e.EventType != "activity" || e.ID == "" || e.EventTime != "2026-03-04T05:06:07.000000+00:00" ||
			e.Action != tt.action || e.Outcome != tt.outcome || e.Target.TypeURI != tt.kind || e.Target.ID != tt.target || e.Initiator.ID != tt.who ||
			e.Observer.TypeURI == "" || e.Reason.ReasonCode != fmt.Sprint(tt.act.Status) || e.RequestPath != tt.act.Path || e.Initiator.RequestID != tt.act.RequestID {
			t.Errorf("%s %s: %s", tt.act.Route.Method, tt.act.Route.Path, rows[0].Event)
		}
	}
}
