package feature

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"altostack/kernel/clock"
	"altostack/objectstore"
	"altostack/objectstore/api"
)

// Rates bound how often requests that cost much may come, per account or
// container. They are kept by each process for itself.
type Rates struct {
	// Account is how many containers of an account may be created or deleted in a
	// second; 0: any number.
	Account float64
	// Container and Listing bound writes into, and listings of, one container, by
	// how many objects it holds.
	Container, Listing []Step
	// Wait is how long a request is held back before it is refused.
	Wait time.Duration
}

// Some reports whether there is any bound.
func (r Rates) Some() bool { return r.Account > 0 || len(r.Container) > 0 || len(r.Listing) > 0 }

// Step is a bound that holds from a number of objects on; between two steps it is
// in between.
type Step struct {
	Objects int64
	Rate    float64 // per second
}

// ParseSteps reads objects=rate pairs: "100=50,10000=10".
func ParseSteps(text string) ([]Step, error) {
	var out []Step
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		objects, per, ok := strings.Cut(part, "=")
		n, err := strconv.ParseInt(objects, 10, 64)
		r, wrong := strconv.ParseFloat(per, 64)
		if !ok || err != nil || wrong != nil || n < 0 || r <= 0 {
			return nil, fmt.Errorf("%q is not objects=rate", part)
		}
		out = append(out, Step{n, r})
	}
	slices.SortFunc(out, func(a, b Step) int { return int(a.Objects - b.Objects) })
	return out, nil
}

// rateFor answers the bound for a container of so many objects; 0: none.
func rateFor(steps []Step, objects int64) float64 {
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if objects < s.Objects {
			continue
		}
		if i == len(steps)-1 {
			return s.Rate
		}
		next := steps[i+1]
		return s.Rate + (next.Rate-s.Rate)*float64(objects-s.Objects)/float64(next.Objects-s.Objects)
	}
	return 0
}

// rateKeys is how many limiters are kept; the oldest are forgotten.
const rateKeys = 10000

// burst is how many seconds' worth of requests may come at once.
const burst = 5

type limiters struct {
	mu    sync.Mutex
	clock clock.Clock
	byKey map[string]*rate.Limiter
	order []string
}

func (l *limiters) delay(key string, per float64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.byKey[key]
	if lim == nil {
		if len(l.order) >= rateKeys {
			delete(l.byKey, l.order[0])
			l.order = l.order[1:]
		}
		lim = rate.NewLimiter(rate.Limit(per), max(1, int(per*burst)))
		l.byKey[key], l.order = lim, append(l.order, key)
	}
	now := l.clock.Now()
	if lim.Limit() != rate.Limit(per) {
		lim.SetLimitAt(now, rate.Limit(per))
		lim.SetBurstAt(now, max(1, int(per*burst)))
	}
	return lim.ReserveN(now, 1).DelayFrom(now)
}

// RateLimit slows down who asks too often, and refuses who asks far too often.
func (f *Features) RateLimit(r Rates, c clock.Clock) api.Feature {
	l := &limiters{clock: c, byKey: map[string]*rate.Limiter{}}
	return api.Feature{
		Name: "ratelimit",
		Info: map[string]any{"account_ratelimit": r.Account, "max_sleep_time_seconds": r.Wait.Seconds(), "container_ratelimits": pairs(r.Container), "container_listing_ratelimits": pairs(r.Listing)},
		Serve: func(c *api.Call, _ string) (bool, error) {
			key, per := f.rateOf(c, r)
			if per <= 0 {
				return false, nil
			}
			wait := l.delay(key, per)
			if wait > r.Wait {
				return false, api.Refuse(498, "Slow down")
			}
			if wait <= 0 {
				return false, nil
			}
			tick, stop := l.clock.After(wait)
			defer stop()
			select {
			case <-tick:
				return false, nil
			case <-c.R.Context().Done():
				return false, c.R.Context().Err()
			}
		},
	}
}

func (f *Features) rateOf(c *api.Call, r Rates) (key string, per float64) {
	m := c.R.Method
	switch {
	case c.Container == "":
		return "", 0
	case c.Object == "" && (m == http.MethodPut || m == http.MethodDelete):
		return "account " + c.Account, r.Account
	case c.Object == "" && m == http.MethodGet && len(r.Listing) > 0:
		return "listing " + c.Account + "/" + c.Container, rateFor(r.Listing, f.held(c))
	case c.Object != "" && len(r.Container) > 0 && (m == http.MethodPut || m == http.MethodDelete || m == http.MethodPost || m == "COPY"):
		return "container " + c.Account + "/" + c.Container, rateFor(r.Container, f.held(c))
	}
	return "", 0
}

// held is how many objects the call's container holds.
func (f *Features) held(c *api.Call) int64 {
	con, err := f.svc.Container(c.R.Context(), c.Account, c.Container)
	if err != nil {
		con = objectstore.Container{}
	}
	return con.Usage.Objects
}

func pairs(steps []Step) [][2]any {
	out := [][2]any{}
	for _, s := range steps {
		out = append(out, [2]any{s.Objects, s.Rate})
	}
	return out
}
