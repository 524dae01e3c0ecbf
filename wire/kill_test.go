// Package wire_test kills whole clouds. A cloud of three pretended hosts lives
// over many processes: each works on a story of a person's requests until it is
// killed at a chosen point, and the next one has to make good what it left.
package wire_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"altostack/kernel/clock"
	"altostack/wire"
)

var (
	kills = flag.Int("kills", 150, "how often TestKilled kills the cloud")
	seed  = flag.Uint64("seed", 0, "which kills; 0: drawn and printed")
	only  = flag.String("at", "", "the one point to kill at, as a failure prints it: STORY: POINT")
)

// attempt is one kill to come.
type attempt struct {
	story  story
	at     point
	second point // while the next process starts; empty: it lives
}

func (k attempt) String() string {
	s := k.story.name + ": " + k.at.String()
	if k.second.Key != "" {
		s += ", then " + k.second.String()
	}
	return s
}

// perCloud is how many attempts share one cloud.
const perCloud = 10

// TestKilled kills the cloud at the points of all stories: before and after each
// step of each saga, each durable write, and each call that changes a host. After
// each kill the next process must end with what live servers own, and nothing
// else.
func TestKilled(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64N(1 << 32)
	}
	t.Logf("seed %d: repeat it by -args -kills=%d -seed=%d", *seed, *kills, *seed)
	first := newCloud(t, t.TempDir())
	all := survey(t, first)
	plan := choose(all, *kills, *seed)
	t.Logf("%d points in %d stories, %d attempts", len(all), len(stories), len(plan))
	var done, hit atomic.Int64
	t.Run("clouds", func(t *testing.T) {
		for i := 0; i < len(plan); i += perCloud {
			t.Run(fmt.Sprint(i/perCloud), func(t *testing.T) {
				t.Parallel()
				c := inherit(t, first)
				for _, k := range plan[i:min(i+perCloud, len(plan))] {
					if !c.attempt(k, &done, &hit) {
						return // what is left of it would be found again and again
					}
				}
			})
		}
	})
	t.Logf("%d kills, %d of them at the point aimed at", done.Load(), hit.Load())
}

// survey lives through every story once, unharmed, and answers their points.
func survey(t *testing.T, c *cloud) []attempt {
	l := c.open(point{})
	access, err := wire.AccessOf(c.dir, "demo")
	if err != nil {
		t.Fatal(err)
	}
	l.tell(func(a api) { a.login(access.Username, access.Password) })
	for _, bad := range l.sound(nil) {
		t.Fatalf("after the first start: %s", bad)
	}
	l.kill()
	l.bury()
	if err := copyTree(c.dir, filepath.Join(c.root, "first")); err != nil {
		t.Fatal(err)
	}
	l = c.open(point{})
	var all []attempt
	for _, s := range stories {
		began := time.Now() //nolint:forbidigo // for the log of a test
		l.arm(point{Key: "none"})
		l.tell(s.run)
		passed := l.disarm()
		l.fail("")
		for _, p := range passed {
			all = append(all, attempt{story: s, at: p})
		}
		for _, bad := range l.sound(nil) {
			t.Errorf("%s, without a kill: %s", s.name, bad)
		}
		l.tell(api.clear)
		for _, bad := range l.sound((*check).nothing) {
			t.Errorf("%s, without a kill, all deleted: %s", s.name, bad)
		}
		t.Logf("%-30s %4d points, %v", s.name, len(passed), time.Since(began).Round(time.Millisecond)) //nolint:forbidigo // likewise
		if t.Failed() {
			t.FailNow()
		}
	}
	l.kill()
	l.bury()
	return all
}

// choose draws n kills: points of sagas first, each once before any twice.
func choose(all []attempt, n int, seed uint64) []attempt {
	r := rand.New(rand.NewPCG(seed, 1))
	if *only != "" {
		for _, k := range all {
			if k.String() == *only || strings.HasPrefix(*only, k.String()+", then commit") {
				if _, second, more := strings.Cut(*only, ", then "); more {
					_, _ = fmt.Sscanf(second, "commit before #%d", &k.second.N)
					k.second.Key = "commit before"
				}
				return []attempt{k}
			}
		}
		return nil
	}
	var plan []attempt
	for round := 0; n > 0; round++ {
		for _, i := range r.Perm(len(all)) {
			if n <= 0 {
				break
			}
			k := all[i]
			if n--; round > 0 || r.IntN(4) == 0 {
				k.second = point{"commit before", r.IntN(12)}
				n--
			}
			plan = append(plan, k)
		}
	}
	return plan
}

// tell runs a story to its end, or to the kill.
func (l *life) tell(run func(a api)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(api{l})
	}()
	select {
	case <-done:
	case <-l.killed:
		l.freeze()
		<-done
	}
}

// attempt kills the cloud once or twice and looks at what became of it.
func (c *cloud) attempt(k attempt, done, hit *atomic.Int64) bool {
	l := c.open(point{})
	l.arm(k.at)
	l.tell(k.story.run)
	count(l, done, hit)
	l.kill()
	l.bury()
	if k.second.Key != "" {
		l = c.open(k.second)
		if l.sys != nil {
			l.tell(func(a api) { a.settle() })
		}
		if count(l, done, hit); l.hit {
			l.bury()
		} else {
			l.kill()
			l.bury()
		}
	}
	l = c.open(point{})
	ok := c.report(k, l.sound(nil))
	if ok {
		l.tell(api.clear)
		ok = c.report(k, l.sound((*check).nothing)) && !c.t.Failed()
	}
	l.kill()
	l.bury()
	return ok
}

func count(l *life, done, hit *atomic.Int64) {
	done.Add(1)
	if l.hit {
		hit.Add(1)
	}
}

func (c *cloud) report(k attempt, bad []string) bool {
	for _, b := range bad {
		c.t.Errorf("killed at -at %q: %s", k, b)
	}
	return len(bad) == 0
}

// inherit makes a cloud of its own out of the first one's files.
func inherit(t *testing.T, first *cloud) *cloud {
	c := newCloud(t, t.TempDir())
	c.token, c.project, c.image = first.token, first.project, first.image
	if err := copyTree(filepath.Join(first.root, "first"), c.dir); err != nil {
		t.Fatal(err)
	}
	return c
}

func after(d time.Duration) (<-chan time.Time, func()) { return clock.Real{}.After(d) }
