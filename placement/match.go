package placement

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"altostack/kernel/fault"
)

// Group is one request group of a search. The group without suffix may spread
// over a tree and the providers that share with it; any other comes from one
// provider.
type Group struct {
	Suffix      string
	Resources   map[string]int64
	Required    [][]string // of each set one
	Forbidden   []string
	MemberOf    [][]string // of each set one
	NotMemberOf []string
	InTree      string
}

// Ask is a search for allocation candidates.
type Ask struct {
	Groups                      []Group // in order of suffix
	Limit                       int     // 0: all
	Isolate                     bool    // suffixed groups come from different providers
	RootRequired, RootForbidden []string
	SameSubtree                 [][]string // suffixes whose providers lie below one of them
	Nested                      bool       // from 1.29: several providers of a tree at once
}

// Fit is one way to satisfy an Ask.
type Fit struct {
	Allocations map[string]map[string]int64 // provider, class
	Mappings    map[string][]string         // suffix, providers
}

// Matches are the ways found and the providers that they concern.
type Matches struct {
	Fits      []Fit
	Providers []*Provider
}

// maxPerTree bounds the combinations tried for one tree, so that no request can
// keep a processor busy for good.
const maxPerTree = 20000

const sharing = "MISC_SHARES_VIA_AGGREGATE"

// Match searches allocation candidates among all providers.
func (s *Service) Match(ctx context.Context, ask Ask) (Matches, error) {
	if err := s.checkAsk(ctx, ask); err != nil {
		return Matches{}, err
	}
	snap, err := s.view.get(ctx, true)
	if err != nil {
		return Matches{}, err
	}
	m := &matcher{snap: snap, ask: ask, seen: map[string]bool{}}
	for _, p := range snap.list {
		if p.HasTrait(sharing) && len(p.Aggregates) > 0 {
			m.sharing = append(m.sharing, p)
		}
	}
	n, first := len(snap.list), 0
	if s.randomize && n > 0 {
		first = rand.IntN(n)
	}
	for i := range n {
		if root := snap.list[(first+i)%n]; root.Parent == "" {
			m.tree(root)
		}
		if m.full() {
			break
		}
	}
	return Matches{Fits: m.fits, Providers: m.concerned()}, nil
}

// checkAsk refuses names that nobody knows.
func (s *Service) checkAsk(ctx context.Context, ask Ask) error {
	var traits, classes []string
	traits = append(append(traits, ask.RootRequired...), ask.RootForbidden...)
	for _, g := range ask.Groups {
		classes = append(classes, slices.Sorted(maps.Keys(g.Resources))...)
		traits = append(append(traits, slices.Concat(g.Required...)...), g.Forbidden...)
	}
	if err := s.KnowClasses(ctx, classes); err != nil {
		return err
	}
	return s.KnowTraits(ctx, traits)
}

// KnowClasses refuses resource classes that do not exist.
func (s *Service) KnowClasses(ctx context.Context, classes []string) error {
	unknown, err := s.unknown(ctx, s.db, ClassName, classes)
	if err == nil && len(unknown) > 0 {
		err = fault.New(fault.CodePlacementInvalid, "Invalid resource class in resources parameter: No such resource class %s.", unknown[0])
	}
	return err
}

// KnowTraits refuses traits that do not exist.
func (s *Service) KnowTraits(ctx context.Context, traits []string) error {
	unknown, err := s.unknown(ctx, s.db, TraitName, traits)
	if err == nil && len(unknown) > 0 {
		slices.Sort(unknown)
		err = fault.New(fault.CodePlacementInvalid, "No such trait(s): %s.", strings.Join(slices.Compact(unknown), ", "))
	}
	return err
}

type matcher struct {
	snap    *snapshot
	ask     Ask
	sharing []*Provider
	fits    []Fit
	seen    map[string]bool
	tries   int
}

func (m *matcher) full() bool { return m.ask.Limit > 0 && len(m.fits) >= m.ask.Limit }

// part is what one group takes of one provider.
type part struct {
	p      *Provider
	class  string // empty: a group without resources
	amount int64
	suffix string
}

// tree tries every combination of the groups' options in one tree and what
// shares with it.
func (m *matcher) tree(root *Provider) {
	if !hasAll(root, m.ask.RootRequired) || hasAny(root, m.ask.RootForbidden) {
		return
	}
	members := m.snap.tree(root.UUID)
	reach := slices.Concat(members, m.sharers(members))
	options := make([][][]part, len(m.ask.Groups))
	for i, g := range m.ask.Groups {
		if g.Suffix == "" {
			options[i] = m.spread(g, reach)
		} else {
			options[i] = m.single(g, reach)
		}
		if len(options[i]) == 0 {
			return
		}
	}
	m.tries = 0
	m.combine(options, nil)
}

// sharers are the providers outside of a tree that share with a member of it.
func (m *matcher) sharers(members []*Provider) []*Provider {
	var out []*Provider
	for _, s := range m.sharing {
		if s.Root == members[0].Root {
			continue
		}
		if slices.ContainsFunc(members, func(p *Provider) bool { return p.inAny(s.Aggregates) }) {
			out = append(out, s)
		}
	}
	return out
}

func (m *matcher) combine(options [][][]part, chosen []part) {
	if m.tries++; m.tries > maxPerTree || m.full() {
		return
	}
	if len(options) == 0 {
		m.accept(chosen)
		return
	}
	for _, o := range options[0] {
		m.combine(options[1:], append(chosen[:len(chosen):len(chosen)], o...))
	}
}

// spread finds the options of the group without suffix: each class from any
// provider in reach.
func (m *matcher) spread(g Group, reach []*Provider) [][]part {
	out := [][]part{nil}
	for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
		amount := g.Resources[class]
		var next [][]part
		for _, p := range reach {
			inv, has := p.Inventories[class]
			if !has || !inv.Fits(amount) || hasAny(p, g.Forbidden) || !m.inTree(p, g) || !m.inAggregates(p, g, true) {
				continue
			}
			for _, o := range out {
				if len(next) < maxPerTree {
					next = append(next, append(o[:len(o):len(o)], part{p, class, amount, ""}))
				}
			}
		}
		out = next
	}
	return slices.DeleteFunc(out, func(o []part) bool {
		return slices.ContainsFunc(g.Required, func(any []string) bool {
			return !slices.ContainsFunc(o, func(p part) bool { return hasAny(p.p, any) })
		})
	})
}

// single finds the options of a group that comes from one provider.
func (m *matcher) single(g Group, reach []*Provider) [][]part {
	var out [][]part
	for _, p := range reach {
		if hasAny(p, g.Forbidden) || !m.inTree(p, g) || !m.inAggregates(p, g, false) ||
			slices.ContainsFunc(g.Required, func(any []string) bool { return !hasAny(p, any) }) {
			continue
		}
		var parts []part
		for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
			if inv, has := p.Inventories[class]; has && inv.Fits(g.Resources[class]) {
				parts = append(parts, part{p, class, g.Resources[class], g.Suffix})
			}
		}
		switch {
		case len(parts) < len(g.Resources):
		case len(parts) == 0:
			out = append(out, []part{{p: p, suffix: g.Suffix}})
		default:
			out = append(out, parts)
		}
	}
	return out
}

func (m *matcher) inTree(p *Provider, g Group) bool {
	if g.InTree == "" {
		return true
	}
	other := m.snap.find(g.InTree)
	return other != nil && other.Root == p.Root
}

// inAggregates decides member_of. What holds of a root holds of its whole tree
// where a group may spread.
func (m *matcher) inAggregates(p *Provider, g Group, tree bool) bool {
	in := func(set []string) bool {
		if p.inAny(set) {
			return true
		}
		root := m.snap.find(p.Root)
		return tree && root != nil && root.inAny(set)
	}
	for _, set := range g.MemberOf {
		if !in(set) {
			return false
		}
	}
	return len(g.NotMemberOf) == 0 || !in(g.NotMemberOf)
}

// accept keeps a combination that also holds as a whole.
func (m *matcher) accept(parts []part) {
	fit := Fit{Allocations: map[string]map[string]int64{}, Mappings: map[string][]string{}}
	trees, single := map[string]string{}, map[string]string{}
	for _, p := range parts {
		id := p.p.UUID
		if was, is := trees[p.p.Root]; is && was != id && !m.ask.Nested {
			return
		}
		trees[p.p.Root] = id
		if p.suffix != "" {
			if by, taken := single[id]; taken && by != p.suffix && m.ask.Isolate {
				return
			}
			single[id] = p.suffix
		}
		if !slices.Contains(fit.Mappings[p.suffix], id) {
			fit.Mappings[p.suffix] = append(fit.Mappings[p.suffix], id)
		}
		if p.class == "" {
			continue
		}
		if fit.Allocations[id] == nil {
			fit.Allocations[id] = map[string]int64{}
		}
		fit.Allocations[id][p.class] += p.amount
		if inv := p.p.Inventories[p.class]; !inv.Fits(fit.Allocations[id][p.class]) {
			return
		}
	}
	if !m.subtrees(fit) {
		return
	}
	if len(m.sharing) > 0 { // only then can two trees lead to the same
		key := fmt.Sprint(fit.Allocations, fit.Mappings) // fmt sorts maps
		if m.seen[key] {
			return
		}
		m.seen[key] = true
	}
	m.fits = append(m.fits, fit)
}

// subtrees checks same_subtree: one of the groups' providers is above all others.
func (m *matcher) subtrees(fit Fit) bool {
	for _, suffixes := range m.ask.SameSubtree {
		var ids []string
		for _, s := range suffixes {
			ids = append(ids, fit.Mappings[s]...)
		}
		if !slices.ContainsFunc(ids, func(top string) bool {
			return !slices.ContainsFunc(ids, func(id string) bool { return !m.above(top, id) })
		}) {
			return false
		}
	}
	return true
}

func (m *matcher) above(top, id string) bool {
	for range len(m.snap.list) {
		if id == top {
			return true
		}
		p := m.snap.find(id)
		if p == nil || p.Parent == "" {
			return false
		}
		id = p.Parent
	}
	return false
}

// concerned are the providers to be shown: those used and, where trees are
// known of, all of their trees.
func (m *matcher) concerned() []*Provider {
	ids, roots := map[string]bool{}, map[string]bool{}
	for _, f := range m.fits {
		for _, list := range f.Mappings {
			for _, id := range list {
				ids[id] = true
				roots[m.snap.find(id).Root] = true
			}
		}
	}
	var out []*Provider
	for _, p := range m.snap.list {
		if ids[p.UUID] || m.ask.Nested && roots[p.Root] {
			out = append(out, p)
		}
	}
	return out
}

func hasAll(p *Provider, traits []string) bool {
	return !slices.ContainsFunc(traits, func(t string) bool { return !p.HasTrait(t) })
}

func hasAny(p *Provider, traits []string) bool { return slices.ContainsFunc(traits, p.HasTrait) }

// Suits reports whether a provider alone satisfies a group, as the list of
// providers filters by. tree is the root that InTree belongs to.
func (g Group) Suits(p *Provider, tree string) bool {
	for class, amount := range g.Resources {
		if inv, has := p.Inventories[class]; !has || !inv.Fits(amount) {
			return false
		}
	}
	for _, any := range g.Required {
		if !hasAny(p, any) {
			return false
		}
	}
	for _, set := range g.MemberOf {
		if !p.inAny(set) {
			return false
		}
	}
	return !hasAny(p, g.Forbidden) && !p.inAny(g.NotMemberOf) && (g.InTree == "" || p.Root == tree)
}
