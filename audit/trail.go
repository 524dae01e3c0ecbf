package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"altostack/kernel/bus"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/id"
	"altostack/kernel/rest"
)

// Subject is where records are published once they are durable, one JSON
// [Record] each.
const Subject = "audit.record"

// Linger is how long an event may wait for others before it is written.
const Linger = 50 * time.Millisecond

// Store is SQL as the trail needs it.
type Store interface {
	// Chain answers a chain's row.
	Chain(ctx context.Context, r db.Reader, chain string) (Chain, bool, error)
	Chains(ctx context.Context, r db.Reader) ([]Chain, error)
	SaveChain(ctx context.Context, tx *db.Tx, c Chain) error
	Append(ctx context.Context, tx *db.Tx, records []Record) error
	// After answers records of a chain with a number over seq, in order.
	After(ctx context.Context, r db.Reader, chain string, seq int64, limit int) ([]Record, error)
	// Latest answers records of all chains, the last written first.
	Latest(ctx context.Context, r db.Reader, before Record, limit int) ([]Record, error)
	// LastBefore answers the last record of a chain that was written before t.
	LastBefore(ctx context.Context, r db.Reader, chain string, t time.Time) (Record, bool, error)
	// FirstSince answers the number of the first record written at t or later.
	FirstSince(ctx context.Context, r db.Reader, chain string, t time.Time) (int64, bool, error)
	// RemoveThrough deletes the records of a chain up to a number.
	RemoveThrough(ctx context.Context, tx *db.Tx, chain string, seq int64) error
}

// Config is what a trail works with. Fields without a comment are required.
type Config struct {
	DB     *db.DB // its own: the trail's writes and the services' do not wait for each other
	Store  Store
	Key    *Key
	Anchor string // path of the file with the head
	Node   string // name of the process in events
	Clock  clock.Clock
	IDs    id.Source
	Log    *slog.Logger
	Bus    bus.Bus // nil: not published
	// Retention is how long records are kept; 0: for ever.
	Retention time.Duration
	Queue     int // events that may wait; 0: 8192
	Batch     int // events written at once; 0: 512
}

// Trail writes the process's chain. It is safe for concurrent use.
type Trail struct {
	cfg     Config
	chain   string
	anchor  *anchor
	queue   chan waiting
	done    chan struct{}
	written atomic.Int64

	stopping chan struct{} // closed when the end begins
	ending   sync.Once

	mu     sync.RWMutex
	closed bool

	head Chain     // the writer's
	last time.Time // the writer's
}

// waiting is an event on its way, or somebody who waits for those before.
type waiting struct {
	act   rest.Act
	event *Event
	flush chan error
}

var _ rest.Auditor = (*Trail)(nil)

// Open goes on with the process's chain. The tables must be migrated.
func Open(ctx context.Context, cfg Config) (*Trail, error) {
	if cfg.Queue == 0 {
		cfg.Queue = 8192
	}
	if cfg.Batch == 0 {
		cfg.Batch = 512
	}
	t := &Trail{cfg: cfg, chain: cfg.Key.Chain(), queue: make(chan waiting, cfg.Queue), done: make(chan struct{}), stopping: make(chan struct{})}
	var inFile Mark
	var err error
	if t.anchor, inFile, err = openAnchor(cfg.Anchor, t.chain, cfg.Key); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	began, err := t.resume(ctx, inFile)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	go t.run()
	t.send(waiting{event: &began})
	return t, nil
}

// resume reads where the chain ends, and tells how: in order, by a kill, or not
// where it should.
func (t *Trail) resume(ctx context.Context, inFile Mark) (Event, error) {
	c, found, err := t.cfg.Store.Chain(ctx, t.cfg.DB, t.chain)
	if err != nil {
		return Event{}, err
	}
	before := "none"
	switch {
	case !found && inFile.Seq > 0:
		before = fmt.Sprintf("lost: the trail ended with record %d, which is gone", inFile.Seq)
		c = Chain{ID: t.chain, Base: t.cfg.Key.mark(markBase, t.chain, inFile.Seq, inFile.Hash), Head: t.cfg.Key.mark(markHead, t.chain, inFile.Seq, inFile.Hash)}
	case !found:
		c = Chain{ID: t.chain, Base: t.cfg.Key.mark(markBase, t.chain, 0, ""), Head: t.cfg.Key.mark(markHead, t.chain, 0, "")}
	case inFile.Seq > c.Head.Seq:
		before = fmt.Sprintf("set back: the trail ended with record %d, the database has %d", inFile.Seq, c.Head.Seq)
	case !t.cfg.Key.holds(markHead, t.chain, c.Head):
		before = "altered: the head's seal does not hold"
	default:
		if before, err = t.left(ctx, &c.Head); err != nil {
			return Event{}, err
		}
	}
	if before != "none" && before != endedInOrder {
		t.cfg.Log.WarnContext(ctx, "the audit trail goes on", "before", before)
	}
	c.Node = t.cfg.Node
	t.head = c
	if inFile.Seq > c.Head.Seq { // the event says it from here on
		if err := t.anchor.f.Truncate(0); err != nil {
			return Event{}, err
		}
	}
	return t.own("start", before), nil
}

// The states in which a process left its chain.
const (
	endedInOrder = "ended in order"
	endedKilled  = "killed: events of its last moments may be missing"
)

// left tells how the process before ended by its last record. Records that were
// put in after it are stepped over: the trail must go on.
func (t *Trail) left(ctx context.Context, head *Mark) (string, error) {
	rows, err := t.cfg.Store.After(ctx, t.cfg.DB, t.chain, head.Seq-1, 1000)
	if err != nil || len(rows) == 0 || rows[0].Seq != head.Seq {
		return "altered: the last record is gone", err
	}
	first, how := rows[0], endedKilled
	for len(rows) > 0 {
		if last := rows[len(rows)-1]; last.Seq > head.Seq {
			head.Seq, head.Hash, how = last.Seq, last.Hash, "altered: there are records after the end"
		}
		if rows, err = t.cfg.Store.After(ctx, t.cfg.DB, t.chain, head.Seq, 1000); err != nil {
			return "", err
		}
	}
	var e Event
	if how == endedKilled && json.Unmarshal([]byte(first.Event), &e) == nil && e.Action == "stop" && e.Target.TypeURI == trailURI {
		how = endedInOrder
	}
	return how, nil
}

// own is an event about the trail itself.
func (t *Trail) own(action, before string) Event {
	me := Resource{TypeURI: trailURI, ID: t.chain, Name: t.cfg.Node}
	e := Event{TypeURI: eventURI, EventType: "activity", ID: t.cfg.IDs.UUID(), EventTime: instant(t.cfg.Clock.Now()), Action: action, Outcome: "success",
		Initiator: me, Target: me, Observer: me}
	if before != "" {
		e.Attachments = []Attached{{"mime:text/plain", "process before", before}}
	}
	return e
}

// Acted keeps a request. It waits where the queue is full.
func (t *Trail) Acted(act rest.Act) { t.send(waiting{act: act}) }

func (t *Trail) send(w waiting) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.closed {
		return false
	}
	t.queue <- w
	return true
}

// Flush returns once all that came before is durable.
func (t *Trail) Flush(ctx context.Context) error {
	told := make(chan error, 1)
	if !t.send(waiting{flush: told}) {
		return nil // closing has written all
	}
	select {
	case err := <-told:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close writes what waits and ends the chain in order.
func (t *Trail) Close() error {
	t.ending.Do(func() { close(t.stopping) }) // a database that is gone must not hold up the end
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	stop, told := t.own("stop", ""), make(chan error, 1)
	t.queue <- waiting{event: &stop}
	t.queue <- waiting{flush: told}
	t.closed = true
	close(t.queue)
	t.mu.Unlock()
	<-t.done
	return <-told
}

// Written counts the records written since the start; Waiting those on their way.
func (t *Trail) Written() int64 { return t.written.Load() }

// Waiting counts the events in the queue.
func (t *Trail) Waiting() int { return len(t.queue) }

// run is the one writer.
func (t *Trail) run() {
	defer close(t.done)
	for open := true; open; {
		var batch []waiting
		batch, open = t.gather()
		if len(batch) > 0 {
			t.write(batch)
		}
	}
	_ = t.anchor.f.Close() // nothing is written by closing it
}

// gather takes one batch: what comes until it is full, somebody waits for it, or
// the first has lingered.
func (t *Trail) gather() (batch []waiting, open bool) {
	w, open := <-t.queue
	if !open {
		return nil, false
	}
	batch = append(batch, w)
	late, stop := t.cfg.Clock.After(Linger)
	defer stop()
	for len(batch) < t.cfg.Batch && w.flush == nil {
		select {
		case w, open = <-t.queue:
			if !open {
				return batch, false
			}
			batch = append(batch, w)
		case <-late:
			return batch, true
		}
	}
	return batch, true
}

// write makes a batch durable. It does not give up while the process lives: what
// waits behind it makes requests wait.
func (t *Trail) write(batch []waiting) {
	records := t.records(batch)
	var err error
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		if err = t.commit(records); err == nil {
			break
		}
		t.cfg.Log.Error("audit events cannot be written", "events", len(records), "error", err)
		if !t.pause(pause) {
			break
		}
	}
	for _, w := range batch {
		if w.flush != nil {
			w.flush <- err
		}
	}
}

// pause waits, but not for a process that ends.
func (t *Trail) pause(d time.Duration) bool {
	tick, stop := t.cfg.Clock.After(d)
	defer stop()
	select {
	case <-t.stopping:
		return false
	case <-tick:
		return true
	}
}

// records links a batch's events to the chain, whose head moves when they are
// durable.
func (t *Trail) records(batch []waiting) []Record {
	at := t.cfg.Clock.Now().Truncate(time.Microsecond)
	if at.Before(t.last) {
		at = t.last
	}
	t.last = at
	head := t.head.Head
	var out []Record
	var b bytes.Buffer
	for _, w := range batch {
		if w.flush != nil {
			continue
		}
		e := w.event
		if e == nil {
			made := eventOf(t.cfg.IDs.UUID(), t.chain, w.act)
			e = &made
		}
		b.Reset()
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(e); err != nil {
			t.cfg.Log.Error("an audit event cannot be spelled", "error", err) // texts and numbers can
			continue
		}
		r := t.cfg.Key.link(t.chain, head, at, string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))))
		head = Mark{Seq: r.Seq, Hash: r.Hash}
		out = append(out, r)
	}
	return out
}

func (t *Trail) commit(records []Record) error {
	if len(records) == 0 {
		return nil
	}
	last := records[len(records)-1]
	next := t.head
	next.Head = t.cfg.Key.mark(markHead, t.chain, last.Seq, last.Hash)
	err := t.cfg.DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		now, found, err := t.cfg.Store.Chain(ctx, tx, t.chain)
		if err != nil {
			return err
		}
		if found {
			next.Base = now.Base // retention moves it
		}
		if err := t.cfg.Store.Append(ctx, tx, records); err != nil {
			return err
		}
		return t.cfg.Store.SaveChain(ctx, tx, next)
	})
	if err != nil {
		return err
	}
	t.head = next
	t.written.Add(int64(len(records)))
	if err := t.anchor.set(last.Seq, last.Hash); err != nil {
		t.cfg.Log.Error("the audit trail's head cannot be written beside the database", "error", err)
	}
	if t.cfg.Bus != nil {
		for _, r := range records {
			if line, err := json.Marshal(r); err == nil {
				t.cfg.Bus.Publish(Subject, line)
			}
		}
	}
	return nil
}
