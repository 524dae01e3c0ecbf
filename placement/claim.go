package placement

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"altostack/kernel/db"
	"altostack/kernel/fault"
)

// Candidates lists hosts with room for need. It may be a moment old; Claim decides.
func (s *Service) Candidates(ctx context.Context, need Need) ([]Candidate, error) {
	snap, err := s.view.get(ctx, false)
	if err != nil {
		return nil, err
	}
	root := ""
	if need.InTree != "" {
		if p := snap.find(need.InTree); p != nil {
			root = p.Root
		} else {
			return nil, nil
		}
	}
	n, first := len(snap.list), 0
	if need.Shuffle && n > 0 {
		first = rand.IntN(n)
	}
	var out []Candidate
	for i := range n {
		p := snap.list[(first+i)%n]
		if root != "" && p.Root != root || !p.suits(&need) {
			continue
		}
		out = append(out, candidate(p))
		if need.Limit > 0 && len(out) == need.Limit {
			break
		}
	}
	return out, nil
}

func candidate(p *Provider) Candidate {
	c := Candidate{ProviderID: p.UUID, Name: p.Name, Generation: p.Generation, Traits: p.Traits, Aggregates: p.Aggregates,
		Capacity: make(map[string]int64, len(p.Inventories)), Used: make(map[string]int64, len(p.Inventories))}
	for class, inv := range p.Inventories {
		c.Capacity[class], c.Used[class] = inv.Capacity(), inv.Used
	}
	return c
}

func (p *Provider) suits(need *Need) bool {
	for class, amount := range need.Resources {
		if inv, has := p.Inventories[class]; !has || !inv.Fits(amount) {
			return false
		}
	}
	for _, t := range need.Required {
		if !p.HasTrait(t) {
			return false
		}
	}
	for _, t := range need.Forbidden {
		if p.HasTrait(t) {
			return false
		}
	}
	for _, any := range need.MemberOf {
		if !p.inAny(any) {
			return false
		}
	}
	return true
}

// Lacks says of each host, by name, what it lacked for need, in words for an
// operator: "MEMORY_MB: 512 free of 2048, 4096 asked for". Hosts that lack
// nothing are left out.
func (s *Service) Lacks(ctx context.Context, need Need) (map[string]string, error) {
	snap, err := s.view.get(ctx, true)
	if err != nil {
		return nil, err
	}
	root := ""
	if need.InTree != "" {
		if p := snap.find(need.InTree); p != nil {
			root = p.Root
		}
	}
	out := map[string]string{}
	for _, p := range snap.list {
		if p.Parent != "" {
			continue
		}
		lacks := p.lacks(&need)
		if need.InTree != "" && p.Root != root {
			lacks = append(lacks, "it is not the host asked for")
		}
		if len(lacks) > 0 {
			out[p.Name] = strings.Join(lacks, "; ")
		}
	}
	return out, nil
}

func (p *Provider) lacks(need *Need) []string {
	var out []string
	for _, class := range slices.Sorted(maps.Keys(need.Resources)) {
		amount := need.Resources[class]
		inv, has := p.Inventories[class]
		switch {
		case !has:
			out = append(out, "it has no "+class)
		case !inv.takes(amount):
			out = append(out, fmt.Sprintf("%s: %d asked for, %d to %d in steps of %d allowed", class, amount, inv.MinUnit, inv.MaxUnit, inv.StepSize))
		case !inv.Fits(amount):
			out = append(out, fmt.Sprintf("%s: %d free of %d, %d asked for", class, max(0, inv.Capacity()-inv.Used), inv.Capacity(), amount))
		}
	}
	for _, t := range need.Required {
		if !p.HasTrait(t) {
			out = append(out, "trait "+t+" is missing")
		}
	}
	for _, t := range need.Forbidden {
		if p.HasTrait(t) {
			out = append(out, "it has the unwanted trait "+t)
		}
	}
	for _, any := range need.MemberOf {
		if !p.inAny(any) {
			out = append(out, "it is in none of the aggregates "+strings.Join(any, ", "))
		}
	}
	return out
}

// Claim gives a consumer exactly these resources of a provider, in the caller's
// transaction; what it held before, here or elsewhere, is freed in the same
// transaction. Repeating it changes nothing. placement.no_room says that it does
// not fit any more; the caller must then let its transaction fail.
func (s *Service) Claim(ctx context.Context, tx *db.Tx, c Consumer, providerID string, resources map[string]int64) error {
	held, err := s.store.AllocationsOf(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	if holds(held, providerID, resources) {
		return nil
	}
	known, found, err := s.store.Consumer(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	if found {
		c.Generation = known.Generation
	}
	return s.replace(ctx, tx, []holding{{consumer: c, new: !found, held: held, want: map[string]map[string]int64{providerID: resources}}})
}

func holds(held []Allocation, provider string, resources map[string]int64) bool {
	n := 0
	for _, a := range held {
		if a.Provider != provider || resources[a.Class] != a.Used {
			return false
		}
		n++
	}
	for _, amount := range resources {
		if amount > 0 {
			n--
		}
	}
	return n == 0 && len(held) > 0
}

// Release frees all that a consumer holds, in the caller's transaction. Nothing
// held is success.
func (s *Service) Release(ctx context.Context, tx *db.Tx, consumerID string) error {
	held, err := s.store.AllocationsOf(ctx, tx, consumerID)
	if err != nil {
		return err
	}
	return s.replace(ctx, tx, []holding{{consumer: Consumer{ID: consumerID}, held: held}})
}

// holding is one consumer's step from what it holds to what it wants.
type holding struct {
	consumer Consumer
	new      bool
	held     []Allocation
	want     map[string]map[string]int64
}

// replace frees what all consumers held, then takes what they want, so that room
// freed by one may be taken by another. Every provider involved moves on by one
// generation. The order of writes is that of the keys: two writers meet at the
// first row they share and cannot deadlock.
func (s *Service) replace(ctx context.Context, tx *db.Tx, holdings []holding) error {
	providers := map[string]bool{}
	for _, h := range holdings {
		for _, a := range h.held {
			providers[a.Provider] = true
			if err := s.store.Free(ctx, tx, a.Provider, a.Class, a.Used); err != nil {
				return err
			}
		}
		if len(h.held) > 0 {
			if err := s.store.DeleteAllocations(ctx, tx, h.consumer.ID); err != nil {
				return err
			}
		}
		for p := range h.want {
			providers[p] = true
		}
	}
	for _, h := range holdings {
		if err := s.take(ctx, tx, h); err != nil {
			return err
		}
	}
	if len(providers) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(providers))
	s.touched(tx, ids...)
	return s.store.Bump(ctx, tx, ids, s.clock.Now())
}

func (s *Service) take(ctx context.Context, tx *db.Tx, h holding) error {
	now := s.clock.Now()
	if amounts(h.want) == 0 {
		return s.store.DeleteConsumer(ctx, tx, h.consumer.ID)
	}
	if !h.new {
		h.consumer.Generation++
	} else {
		h.consumer.Generation = 1
	}
	if err := s.store.SaveConsumer(ctx, tx, h.consumer, now); err != nil {
		return err
	}
	for _, provider := range slices.Sorted(maps.Keys(h.want)) {
		resources := h.want[provider]
		for _, class := range slices.Sorted(maps.Keys(resources)) {
			if resources[class] == 0 {
				continue
			}
			if err := s.takeOne(ctx, tx, Allocation{Consumer: h.consumer.ID, Provider: provider, Class: class, Used: resources[class], CreatedAt: now}); err != nil {
				return err
			}
		}
	}
	return nil
}

func amounts(want map[string]map[string]int64) (n int) {
	for _, resources := range want {
		for _, amount := range resources {
			if amount != 0 {
				n++
			}
		}
	}
	return n
}

func (s *Service) takeOne(ctx context.Context, tx *db.Tx, a Allocation) error {
	taken, err := s.store.Take(ctx, tx, a.Provider, a.Class, a.Used)
	if err != nil {
		return err
	}
	if !taken {
		return s.whyNot(ctx, tx, a)
	}
	return s.store.InsertAllocation(ctx, tx, a)
}

// whyNot finds the fault for a claim that was refused.
func (s *Service) whyNot(ctx context.Context, tx *db.Tx, a Allocation) error {
	list, err := s.store.Load(ctx, tx, []string{a.Provider})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fault.New(fault.CodePlacementUnknownProvider, "Allocation for resource provider '%s' that does not exist.", a.Provider)
	}
	inv, has := list[0].Inventories[a.Class]
	switch {
	case !has:
		return fault.New(fault.CodePlacementNoInventory, "Unable to allocate inventory: Inventory for '%s' on resource provider '%s' invalid.", a.Class, a.Provider)
	case !inv.takes(a.Used):
		return fault.New(fault.CodePlacementBadUnit, "Unable to allocate inventory: Unable to create allocation for '%s' on resource provider '%s'. The requested amount would violate inventory constraints.", a.Class, a.Provider)
	}
	return fault.New(fault.CodePlacementNoRoom, "Unable to allocate inventory: Unable to create allocation for '%s' on resource provider '%s'. The requested amount would exceed the capacity.", a.Class, a.Provider)
}

func sortBySeq(list []*Provider) {
	slices.SortFunc(list, func(a, b *Provider) int { return cmp.Compare(a.seq, b.seq) })
}
