package feature

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"altostack/kernel/clock"
)

func TestRateFor(t *testing.T) {
	steps, err := ParseSteps("1000=10, 100=50")
	if err != nil || fmt.Sprint(steps) != "[{100 50} {1000 10}]" {
		t.Fatal(steps, err)
	}
	for objects, want := range map[int64]float64{0: 0, 99: 0, 100: 50, 550: 30, 1000: 10, 1 << 40: 10} {
		if got := rateFor(steps, objects); got != want {
			t.Errorf("with %d objects the rate is %v, want %v", objects, got, want)
		}
	}
	for _, bad := range []string{"x", "1=", "=1", "1=x", "1=0", "-1=1", "1=-1"} {
		if _, err := ParseSteps(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestDelay(t *testing.T) {
	now := clock.NewVirtual(time.Unix(1000, 0))
	l := &limiters{clock: now, byKey: map[string]*rate.Limiter{}}
	for i := range 10 { // five seconds' worth at once
		if d := l.delay("a", 2); d != 0 {
			t.Fatalf("request %d waits %s", i, d)
		}
	}
	if d := l.delay("a", 2); d != 500*time.Millisecond {
		t.Errorf("the next waits %s", d)
	}
	if d := l.delay("b", 2); d != 0 {
		t.Errorf("another account waits %s", d)
	}
	now.Advance(time.Hour)
	if d := l.delay("a", 2); d != 0 {
		t.Errorf("an hour later it waits %s", d)
	}
	for i := range 2 * rateKeys {
		l.delay(fmt.Sprint(i), 1)
	}
	if len(l.byKey) > rateKeys {
		t.Errorf("%d limiters are kept", len(l.byKey))
	}
}
