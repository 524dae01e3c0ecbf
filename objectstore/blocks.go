package objectstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"altostack/kernel/db"
)

// BlockSize is how many blob ids one record stands for.
const BlockSize = 1024

// blockLease is how long a block outlives its process in the table.
const blockLease = 15 * time.Minute

// blocks hands out blob ids. A block's record is removed once every id of it that
// was handed out has been settled: named by a committed row, or gone.
type blocks struct {
	s  *Service
	mu sync.Mutex
	// current is, for each policy, the block that ids come from.
	current map[int]*block
}

type block struct {
	id      string
	next    int
	pending int
	full    bool
}

func newBlocks(s *Service) *blocks { return &blocks{s: s, current: map[int]*block{}} }

// take answers the id of a blob to come, and its block.
func (b *blocks) take(ctx context.Context, policy int) (string, *block, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cur := b.current[policy]
	if cur == nil || cur.next == BlockSize {
		fresh := &block{id: b.s.ids.Hex()[:16]}
		err := b.s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error {
			return b.s.store.OpenBlock(ctx, tx, Block{ID: fresh.id, Policy: policy, Writer: b.s.process, Deadline: b.s.clock.Now().Add(blockLease)})
		})
		if err != nil {
			return "", nil, fmt.Errorf("open a block of blobs: %w", err)
		}
		b.current[policy], cur = fresh, fresh
	}
	id := fmt.Sprintf("%s-%03x", cur.id, cur.next)
	cur.next++
	cur.pending++
	cur.full = cur.next == BlockSize
	return id, cur, nil
}

// settle says that one id of a block is named by a row, or that its blob is gone.
func (b *blocks) settle(ctx context.Context, of *block) {
	b.mu.Lock()
	of.pending--
	done := of.full && of.pending == 0
	b.mu.Unlock()
	if !done {
		return
	}
	err := b.s.db.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *db.Tx) error { return b.s.store.CloseBlock(ctx, tx, of.id) })
	if err != nil {
		b.s.log.WarnContext(ctx, "a block of blobs stays open until the next start", "block", of.id, "error", err)
	}
}

// Extend keeps the blocks of this process from being taken for a dead one's. It
// must run well within 15 minutes.
func (s *Service) Extend(ctx context.Context) error {
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.store.ExtendBlocks(ctx, tx, s.process, s.clock.Now().Add(blockLease))
	})
}

// Recover removes what a crash left: in the blocks of dead processes, blobs that
// no row names. It is called at start, before requests are taken, and may be
// repeated at any time.
func (s *Service) Recover(ctx context.Context) error {
	// Beside other processes only a lapsed lease tells that a writer is dead.
	alone := s.db.Dialect == db.SQLite
	dead, err := s.store.DeadBlocks(ctx, s.db, s.clock.Now(), alone, s.process)
	if err != nil {
		return err
	}
	for _, b := range dead {
		if err := s.recoverBlock(ctx, b); err != nil {
			return err
		}
	}
	return s.Sweep(ctx)
}

func (s *Service) recoverBlock(ctx context.Context, b Block) error {
	p, ok := s.PolicyOf(b.Policy)
	if !ok {
		return fmt.Errorf("blobs of block %s are under storage policy %d, which is not configured", b.ID, b.Policy)
	}
	var have []string
	err := p.Backend.List(ctx, b.ID+"-", func(id string) error { have = append(have, id); return nil })
	if err != nil {
		return err
	}
	named, err := s.store.Named(ctx, s.db, have)
	if err != nil {
		return err
	}
	for _, id := range have {
		if named[id] {
			continue
		}
		if err := p.Backend.Remove(ctx, id); err != nil {
			return err
		}
		s.log.InfoContext(ctx, "bytes of a write that was cut off were removed", "blob", id)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.CloseBlock(ctx, tx, b.ID) })
}

// sweepBatch bounds one transaction of a sweep.
const sweepBatch = 500

// Sweep removes blobs that lost their last row.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		garbage, err := s.store.Garbage(ctx, s.db, sweepBatch)
		if err != nil || len(garbage) == 0 {
			return err
		}
		gone := make([]string, 0, len(garbage))
		for _, g := range garbage {
			p, ok := s.PolicyOf(g.Policy)
			if !ok {
				return fmt.Errorf("blob %s is under storage policy %d, which is not configured", g.Blob, g.Policy)
			}
			if err := p.Backend.Remove(ctx, g.Blob); err != nil {
				return err
			}
			gone = append(gone, g.Blob)
		}
		if err := s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error { return s.store.Swept(ctx, tx, gone) }); err != nil {
			return err
		}
	}
}

// Scrub reads every blob that a row names, compares it with its checksums, and
// puts damaged ones aside after recording them. It answers how many it read.
func (s *Service) Scrub(ctx context.Context) (read, damaged int, err error) {
	after := ""
	for {
		batch, err := s.store.Blobs(ctx, s.db, after, sweepBatch)
		if err != nil || len(batch) == 0 {
			return read, damaged, err
		}
		for _, g := range batch {
			began := s.clock.Now()
			bad, err := s.scrub(ctx, g)
			if err == nil {
				err = s.rest(ctx, scrubRest*s.clock.Now().Sub(began))
			}
			if err != nil {
				return read, damaged, err
			}
			if read++; bad {
				damaged++
			}
		}
		after = batch[len(batch)-1].Blob
	}
}

// scrubRest is how many times as long as it reads the scrubber lets the disk alone.
const scrubRest = 3

func (s *Service) rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	tick, stop := s.clock.After(d)
	defer stop()
	select {
	case <-tick:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Service) scrub(ctx context.Context, g Garbage) (bad bool, err error) {
	p, ok := s.PolicyOf(g.Policy)
	if !ok {
		return false, nil
	}
	reason := p.Backend.Verify(ctx, g.Blob)
	if reason == nil || !isDamage(reason) {
		return false, reason
	}
	if named, err := s.store.Named(ctx, s.db, []string{g.Blob}); err != nil || !named[g.Blob] {
		return false, err // deleted meanwhile
	}
	s.log.ErrorContext(ctx, "an object's bytes are damaged", "blob", g.Blob, "error", reason)
	text, _, _ := strings.Cut(reason.Error(), "\n")
	err = s.db.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return s.store.SaveDamage(ctx, tx, Damage{Blob: g.Blob, Policy: g.Policy, Reason: text, FoundAt: s.clock.Now()})
	})
	if err != nil {
		return false, err
	}
	return true, p.Backend.Quarantine(ctx, g.Blob)
}
