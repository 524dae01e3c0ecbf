package compute

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/saga"
)

// SchedulerSubject is where the scheduler listens on the bus.
const SchedulerSubject = "scheduler"

// Spread is among how many of the best hosts a server is placed by lot, so that
// schedulers side by side do not all choose the same one.
const Spread = 10

// Question asks the scheduler for hosts for one server.
type Question struct {
	ServerID string    `json:"server_id"`
	Excluded []string  `json:"excluded,omitempty"` // hosts that failed to build it
	SentAt   time.Time `json:"sent_at"`
}

// Choice answers hosts, the best first; the others are for when it fills up
// before it is claimed.
type Choice struct {
	Hosts []Chosen    `json:"hosts"`
	Spans []saga.Span `json:"spans"` // steps 8 to 10
}

// Chosen is a host with room.
type Chosen struct {
	Name       string `json:"name"`
	ProviderID string `json:"provider_id"`
	Zone       string `json:"zone"`
	PerHost    int    `json:"per_host,omitempty"` // members of the server's group that the host may have
}

// Choose is the scheduler: candidates of placement, filtered and weighed.
func (s *Service) Choose(ctx context.Context, q Question) (Choice, error) {
	taken := s.Clock.Now()
	spans := []saga.Span{StepSpan(8, q.SentAt, taken.Sub(q.SentAt), nil, nil), StepSpan(9, taken, 0, nil, nil)}
	srv, err := s.get(ctx, s.DB, auth.System("scheduler"), q.ServerID)
	if err != nil {
		return Choice{}, err
	}
	spec := srv.Spec()
	need := Need{Resources: srv.Resources()}
	if spec.ForcedHost == "" && srv.PinnedZone == "" && spec.GroupID == "" && len(q.Excluded) == 0 {
		need.Limit = 4 * Spread * 5 // placement spreads them; with filters all must be seen
	}
	candidates, err := s.Placement.Candidates(ctx, need)
	if err != nil {
		return Choice{}, err
	}
	hosts, err := s.Hypervisors(ctx)
	if err != nil {
		return Choice{}, err
	}
	byName := make(map[string]Host, len(hosts))
	for _, h := range hosts {
		byName[h.Name] = h
	}
	var members map[string]int
	perHost := 1
	if spec.GroupID != "" {
		if perHost, err = s.perHost(ctx, spec.GroupID); err != nil {
			return Choice{}, err
		}
		if members, err = s.Store.GroupHosts(ctx, s.DB, spec.GroupID, srv.ID); err != nil {
			return Choice{}, err
		}
	}
	var fit []weighed
	refused := map[string]string{}
	for _, c := range candidates {
		h, known := byName[c.Name]
		if why := refuse(h, known, srv, spec, members, perHost, q.Excluded, s.Clock.Now()); why != "" {
			refused[c.Name] = why
			continue
		}
		fit = append(fit, weighed{Chosen{c.Name, c.ProviderID, h.Zone, perHost}, weigh(c, spec, members)})
	}
	if len(fit) == 0 {
		return Choice{}, s.noValidHost(ctx, need, refused, byName, srv)
	}
	choice := Choice{Hosts: draw(fit)}
	detail := map[string]any{"candidates": len(candidates), "host": choice.Hosts[0].Name}
	if len(refused) > 0 && len(refused) <= 20 {
		detail["lacks"] = refused
	}
	choice.Spans = append(spans, StepSpan(10, taken, s.Clock.Now().Sub(taken), nil, detail))
	return choice, nil
}

// refuse says why a host with room still does not do; empty if it does.
func refuse(h Host, known bool, srv Server, spec Spec, members map[string]int, perHost int, excluded []string, now time.Time) string {
	switch {
	case !known:
		return "it has not registered"
	case !h.Up(now):
		return "it has not been heard of lately"
	case h.Disabled:
		return "its compute service is disabled"
	case slices.Contains(excluded, h.Name):
		return "it failed to build the server"
	case spec.ForcedHost != "" && spec.ForcedHost != h.Name:
		return "another host was asked for"
	case srv.PinnedZone != "" && srv.PinnedZone != h.Zone:
		return fmt.Sprintf("it is in zone %s", h.Zone)
	}
	return spec.RefusedByGroup(h.Name, members, perHost)
}

// RefusedByGroup says why the server's group does not want it on a host, given
// how many members each host has; empty if it does. It is asked again with the
// claim, as members are placed side by side.
func (spec Spec) RefusedByGroup(host string, members map[string]int, perHost int) string {
	switch {
	case spec.GroupPolicy == "affinity" && len(members) > 0 && members[host] == 0:
		return "the server group keeps together on another host"
	case spec.GroupPolicy == "anti-affinity" && members[host] >= perHost:
		return "the server group has members enough on it"
	}
	return ""
}

type weighed struct {
	Chosen
	weight float64
}

// weigh prefers hosts with much free memory and CPU, and what the server group
// prefers over both.
func weigh(c Candidate, spec Spec, members map[string]int) float64 {
	free := func(class string) float64 {
		if c.Capacity[class] <= 0 {
			return 0
		}
		return float64(c.Capacity[class]-c.Used[class]) / float64(c.Capacity[class])
	}
	w := free("MEMORY_MB") + free("VCPU")
	switch spec.GroupPolicy {
	case "soft-affinity":
		w += 10 * float64(members[c.Name])
	case "soft-anti-affinity":
		w -= 10 * float64(members[c.Name])
	}
	return w
}

// draw orders the best hosts by lot.
func draw(fit []weighed) []Chosen {
	rand.Shuffle(len(fit), func(i, j int) { fit[i], fit[j] = fit[j], fit[i] }) // equal weights too
	slices.SortStableFunc(fit, func(a, b weighed) int { return cmp.Compare(b.weight, a.weight) })
	best := fit[:min(len(fit), Spread)]
	close := slices.IndexFunc(best, func(w weighed) bool { return best[0].weight-w.weight > 0.25 })
	if close < 0 {
		close = len(best)
	}
	rand.Shuffle(close, func(i, j int) { best[i], best[j] = best[j], best[i] })
	out := make([]Chosen, len(best))
	for i, w := range best {
		out[i] = w.Chosen
	}
	return out
}

// noValidHost tells the user what Nova tells, and the operator what each host
// lacked.
func (s *Service) noValidHost(ctx context.Context, need Need, refused map[string]string, hosts map[string]Host, srv Server) error {
	need.Limit = 0
	lacks, err := s.Placement.Lacks(ctx, need)
	if err != nil {
		s.Log.WarnContext(ctx, "what the hosts lack cannot be told", "error", err)
		lacks = map[string]string{}
	}
	for name, why := range refused {
		lacks[name] = why
	}
	names := make([]string, 0, len(lacks))
	for name := range lacks {
		names = append(names, name)
	}
	slices.Sort(names)
	var each []string
	for i, name := range names {
		if i == 50 {
			each = append(each, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		each = append(each, name+": "+lacks[name])
	}
	told := strings.Join(each, "; ")
	if len(hosts) == 0 {
		told = "no host has registered"
	}
	return fault.New(fault.CodeComputeNoValidHost, "No valid host was found. There are not enough hosts available.").
		WithExtra("lacks", told)
}
