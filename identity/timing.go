package identity

import (
	"sync"
	"time"
)

// timings is when and how fast the latest tokens were issued: the first steps of
// a boot trace. The oldest go.
type timings struct {
	mu   sync.Mutex
	ring [4096]timing
	next int
	by   map[string]int
}

type timing struct {
	audit string
	start time.Time
	took  time.Duration
}

func (t *timings) note(audit string, start time.Time, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = map[string]int{}
	}
	if old := t.ring[t.next].audit; old != "" && t.by[old] == t.next {
		delete(t.by, old)
	}
	t.ring[t.next] = timing{audit, start, took}
	t.by[audit] = t.next
	t.next = (t.next + 1) % len(t.ring)
}

// TokenIssue answers when the token with the audit id was asked for and how long
// its issue took, if that was lately and in this process.
func (s *Service) TokenIssue(auditID string) (start time.Time, took time.Duration, ok bool) {
	s.timings.mu.Lock()
	defer s.timings.mu.Unlock()
	i, ok := s.timings.by[auditID]
	if !ok {
		return time.Time{}, 0, false
	}
	v := s.timings.ring[i]
	return v.start, v.took, true
}
