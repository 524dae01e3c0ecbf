package reconcile_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"altostack/kernel/clock"
	"altostack/reconcile"
)

func TestLoopRunsWhenWokenWhenDueAndAfterFailure(t *testing.T) {
	now := clock.NewVirtual(time.Unix(0, 0))
	s := reconcile.NewSet(now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer s.Close()
	ran := make(chan int)
	n := 0
	wake := s.Add(reconcile.Loop{Name: "ports", Every: time.Minute, Run: func(ctx context.Context) error {
		n++
		select {
		case ran <- n:
		case <-ctx.Done():
		}
		switch n {
		case 2:
			return errors.New("bridge is gone")
		case 4:
			panic("boom")
		}
		return nil
	}})
	<-ran
	wake()
	<-ran // the second, which fails, and is tried again well before a minute has passed
	advance(now, time.Second, ran)
	if st := s.Report()[0]; st.Failures != 0 && st.LastErr == "" {
		t.Errorf("state %+v", st)
	}
	advance(now, time.Minute, ran) // the fourth panics and does not end the process
	advance(now, time.Minute, ran)
	if st := s.Report()[0]; st.Runs < 4 {
		t.Errorf("%d runs, want at least 4", st.Runs)
	}
}

// advance moves the clock until the loop has run again: the loop may not have
// set its timer yet when the clock first moves.
func advance(now *clock.Virtual, d time.Duration, ran <-chan int) {
	for {
		now.Advance(d)
		select {
		case <-ran:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
