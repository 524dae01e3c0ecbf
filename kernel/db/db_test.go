package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"

	"altostack/kernel/db"
	"altostack/kernel/db/dbtest"
)

var migrations = fstest.MapFS{"001_things.sql": {Data: []byte(`-- +goose Up
CREATE TABLE things (id TEXT PRIMARY KEY, n BIGINT NOT NULL, ok BOOLEAN NOT NULL);
`)}}

func count(t *testing.T, d *db.DB) int {
	t.Helper()
	n, _, err := db.Get(t.Context(), d, db.Value[int], "SELECT COUNT(*) FROM things")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func insert(id string, n int) func(context.Context, *db.Tx) error {
	return func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO things (id, n, ok) VALUES ($1, $2, $3)", id, n, true)
		return err
	}
}

func TestWritesTogetherFailApart(t *testing.T) {
	dbtest.Each(t, "things", migrations, func(t *testing.T, d *db.DB) {
		var wg sync.WaitGroup
		refused := errors.New("refused")
		var mu sync.Mutex
		committed := 0
		for i := range 40 {
			wg.Go(func() {
				err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
					if err := insert(fmt.Sprint(i), i)(ctx, tx); err != nil {
						return err
					}
					tx.AfterCommit(func() { mu.Lock(); committed++; mu.Unlock() })
					if i%4 == 0 {
						return refused
					}
					return nil
				})
				if (i%4 == 0) != errors.Is(err, refused) {
					t.Errorf("write %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got := count(t, d); got != 30 || committed != 30 {
			t.Errorf("%d rows and %d hooks, want 30: a failed write must not touch its neighbours", got, committed)
		}
	})
}

func TestErrorsAreRecognised(t *testing.T) {
	dbtest.Each(t, "things", migrations, func(t *testing.T, d *db.DB) {
		if err := d.Write(t.Context(), insert("a", 1)); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), insert("a", 2)); !db.IsUnique(err) {
			t.Errorf("second insert: %v, want a unique violation", err)
		}
		if err := d.Write(t.Context(), func(context.Context, *db.Tx) error { panic("boom") }); err == nil {
			t.Error("a panic in a closure must come back as an error")
		}
		if err := d.Write(t.Context(), insert("b", 2)); err != nil {
			t.Errorf("the writer must live on: %v", err)
		}
		err := d.Write(t.Context(), func(ctx context.Context, _ *db.Tx) error { return d.Write(ctx, insert("c", 3)) })
		if err == nil {
			t.Error("a nested write would wait for itself and must be refused")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Write(ctx, insert("d", 4)); err == nil {
			t.Error("a request that was given up must not write")
		}
		if got := count(t, d); got != 2 {
			t.Errorf("%d rows, want 2", got)
		}
	})
}

func TestTransactionReadsItsOwnWrites(t *testing.T) {
	dbtest.Each(t, "things", migrations, func(t *testing.T, d *db.DB) {
		err := d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
			if err := insert("a", 7)(ctx, tx); err != nil {
				return err
			}
			n, found, err := db.Get(ctx, tx, db.Value[int], "SELECT n FROM things WHERE id = $1 AND ok", "a")
			if n != 7 || !found {
				t.Errorf("n = %d, found = %v", n, found)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
