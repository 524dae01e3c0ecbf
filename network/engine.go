package network

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/fault"
	"altostack/kernel/page"
	"altostack/kernel/policy"
)

// Create makes resources of one collection, all or none.
func (s *Service) Create(ctx context.Context, scope auth.Scope, r *Resource, bodies []map[string]any) ([]Row, error) {
	wants := make([]prepared, len(bodies))
	for i, body := range bodies {
		p, err := r.prepareCreate(scope, body)
		if err != nil {
			return nil, err
		}
		wants[i] = p
	}
	var made []Row
	err := s.change(ctx, scope, func(w *work) error {
		made = made[:0]
		for _, p := range wants {
			row, err := w.createAs(r, prepared{p.row.Clone(), p.given})
			if err != nil {
				return err
			}
			made = append(made, row)
		}
		return w.fill(r, made)
	})
	return made, err
}

// createAs creates what the caller asked for, if rules and quota let it.
func (w *work) createAs(r *Resource, p prepared) (Row, error) {
	target, err := w.target(r, p.row)
	if err != nil {
		return nil, err
	}
	if err := w.allow("create_"+r.Singular, r, p, target); err != nil {
		return nil, err
	}
	if err := w.quota(r, p.row.Project(), 1); err != nil {
		return nil, err
	}
	return w.create(r, p)
}

// create is createAs for the cloud's own use.
func (w *work) create(r *Resource, p prepared) (Row, error) {
	if p.row.ID() == "" {
		p.row["id"] = w.s.cfg.IDs.UUID()
	}
	p.row["revision_number"], p.row["created_at"], p.row["updated_at"] = int64(0), w.now, w.now
	if r.Tagged && !p.row.Has("tags") {
		p.row["tags"] = []any{}
	}
	row, err := w.s.logics[r].create(w, p)
	if err != nil {
		return nil, err
	}
	if tags := Decode[[]string](row, "tags"); r.Tagged && len(tags) > 0 {
		if err := w.s.store.SetTags(w.ctx, w.tx, row.ID(), tags); err != nil {
			return nil, err
		}
	}
	return row, nil
}

// insert stores a row and makes it look as if read.
func (w *work) insert(r *Resource, row Row) (Row, error) {
	normalize(r, row)
	if err := w.s.store.Insert(w.ctx, w.tx, r, row); err != nil {
		return nil, err
	}
	return row, nil
}

// normalize gives values the types that reads have.
func normalize(r *Resource, row Row) {
	for _, c := range r.Columns {
		v, has := row[c.Attr]
		switch c.Kind {
		case JSON:
			if has {
				row[c.Attr] = raw(v)
			}
		case Text:
			if v == nil {
				row[c.Attr] = ""
			}
		case Null:
			if v == "" || v == nil {
				row[c.Attr] = nil
			}
		case Flag:
			row[c.Attr] = row.Bool(c.Attr)
		case Number:
			row[c.Attr] = row.Int(c.Attr)
		}
	}
}

// Update changes one resource. ifMatch is the revision that the caller read, or
// negative.
func (s *Service) Update(ctx context.Context, scope auth.Scope, r *Resource, id string, body map[string]any, ifMatch int64) (Row, error) {
	p, err := r.prepareUpdate(body)
	if err != nil {
		return nil, err
	}
	var out Row
	err = s.change(ctx, scope, func(w *work) error {
		old, err := w.seen(r, id)
		if err != nil {
			return err
		}
		if err := w.mayChange("update_"+r.Singular, r, old, prepared{p.row, p.given}); err != nil {
			return err
		}
		if err := matches(old, ifMatch); err != nil {
			return err
		}
		if out, err = w.update(r, old, prepared{p.row.Clone(), p.given}); err != nil {
			return err
		}
		rows := []Row{out}
		return w.fill(r, rows)
	})
	return out, err
}

// update applies a change that is allowed.
func (w *work) update(r *Resource, old Row, p prepared) (Row, error) {
	set, err := w.s.logics[r].update(w, old, p)
	if err != nil {
		return nil, err
	}
	return w.save(r, old, set)
}

// save stores changed columns, one revision on.
func (w *work) save(r *Resource, old, set Row) (Row, error) {
	set["revision_number"], set["updated_at"] = old.Int("revision_number")+1, w.now
	out := old.Clone()
	maps.Copy(out, set)
	normalize(r, out)
	for k := range set {
		set[k] = out[k]
	}
	return out, w.s.store.Update(w.ctx, w.tx, r, old.ID(), set)
}

// matches compares a revision the caller gave.
func matches(row Row, ifMatch int64) error {
	if ifMatch >= 0 && row.Int("revision_number") != ifMatch {
		return fault.New(fault.CodeNetworkRevision, "Constrained to %d, but current revision is %d", ifMatch, row.Int("revision_number"))
	}
	return nil
}

// Delete removes one resource.
func (s *Service) Delete(ctx context.Context, scope auth.Scope, r *Resource, id string, ifMatch int64) error {
	return s.change(ctx, scope, func(w *work) error {
		old, err := w.seen(r, id)
		if err != nil {
			return err
		}
		if err := w.mayChange("delete_"+r.Singular, r, old, prepared{}); err != nil {
			return err
		}
		if err := matches(old, ifMatch); err != nil {
			return err
		}
		return w.remove(r, old)
	})
}

// remove deletes without asking who wants it.
func (w *work) remove(r *Resource, old Row) error {
	if err := w.s.logics[r].delete(w, old); err != nil {
		return err
	}
	return w.s.store.Delete(w.ctx, w.tx, r, old.ID())
}

// Show reads one resource that the caller may see.
func (s *Service) Show(ctx context.Context, scope auth.Scope, r *Resource, id string) (Row, error) {
	rows, _, err := s.List(ctx, scope, r, Query{Filters: []Filter{Is("id", id)}})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.missing(id)
	}
	return rows[0], nil
}

// List reads a page of what the caller may see.
func (s *Service) List(ctx context.Context, scope auth.Scope, r *Resource, q Query) ([]Row, bool, error) {
	view, err := viewOf(scope, r)
	if err != nil {
		return nil, false, err
	}
	q.View = view
	if r == SecurityGroups && !(len(q.Filters) == 1 && q.Filters[0].Attr == "id") { // whatever the list is filtered by, the default group is there
		if err := s.EnsureDefaultGroup(ctx, scope.ProjectID); err != nil {
			return nil, false, err
		}
	}
	if len(q.Page.Sort) == 0 {
		q.Page.Sort = []page.Key{{Column: r.Table + ".id"}}
	}
	rows, more, err := s.store.List(ctx, s.cfg.DB, r, q)
	if err != nil {
		return nil, false, err
	}
	if fill := s.logics[r].fill; fill != nil && len(rows) > 0 {
		err = fill(ctx, s, s.cfg.DB, view, rows)
	}
	return rows, more, err
}

func (w *work) fill(r *Resource, rows []Row) error {
	fill := w.s.logics[r].fill
	if fill == nil {
		return nil
	}
	view, _ := viewOf(w.scope, r)
	return fill(w.ctx, w.s, w.tx, view, rows)
}

// foreign is an object nobody owns, to ask whether a rule needs ownership.
func foreign() auth.Target {
	return auth.Target{"project_id": "\x00", "tenant_id": "\x00", "network:project_id": "\x00", "network:tenant_id": "\x00",
		"security_group:project_id": "\x00", "security_group:tenant_id": "\x00", "ext_parent:project_id": "\x00", "ext_parent:tenant_id": "\x00"}
}

func owned(scope auth.Scope) auth.Target {
	t := foreign()
	for k := range t {
		t[k] = scope.ProjectID
	}
	return t
}

// viewOf decides what a caller sees of a collection: everything where the rule
// holds on objects of others too.
func viewOf(scope auth.Scope, r *Resource) (View, error) {
	rule := ruleFor("get_" + r.Singular)
	if scope.May(rule, foreign()) {
		return View{All: true, Project: scope.ProjectID}, nil
	}
	if scope.ProjectID == "" {
		return View{}, scope.Check(rule, foreign())
	}
	return View{Project: scope.ProjectID}, scope.Check(rule, owned(scope))
}

// ruleFor is the rule of an action; one without a rule of its own has the
// default rule.
func ruleFor(action string) string {
	if rules()[action] {
		return action
	}
	return "default"
}

// get reads one row whoever owns it.
func (w *work) get(r *Resource, id string) (Row, error) { return w.find(r, everything, id) }

func (w *work) find(r *Resource, v View, id string) (Row, error) {
	rows, err := w.list(r, v, Is("id", id))
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, r.missing(id)
	}
	return rows[0], nil
}

// list reads rows within the change.
func (w *work) list(r *Resource, v View, filters ...Filter) ([]Row, error) {
	rows, _, err := w.s.store.List(w.ctx, w.tx, r, Query{View: v, Filters: filters, Page: page.Request{Sort: []page.Key{{Column: r.Table + ".id"}}}})
	return rows, err
}

// seen reads a row that the caller may see.
func (w *work) seen(r *Resource, id string) (Row, error) {
	view, err := viewOf(w.scope, r)
	if err != nil {
		return nil, r.missing(id)
	}
	return w.find(r, view, id)
}

// network reads a network once a change.
func (w *work) network(id string) (Row, error) {
	if n, ok := w.networks[id]; ok {
		return n, nil
	}
	n, err := w.get(Networks, id)
	if err == nil {
		w.networks[id] = n
	}
	return n, err
}

// target is what rules look at.
func (w *work) target(r *Resource, row Row) (auth.Target, error) {
	t := auth.Target{}
	for k, v := range row {
		t[k] = v
	}
	t["tenant_id"] = t["project_id"]
	if add := w.s.logics[r].target; add != nil {
		if err := add(w, row, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// allow decides an action and every attribute the caller set.
func (w *work) allow(action string, r *Resource, p prepared, t auth.Target) error {
	if err := w.scope.Check(ruleFor(action), t); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.given)) {
		if !p.given[name] {
			continue
		}
		if err := w.allowAttr(action+":"+name, p.row[name], r.Attrs[name].EnforcePolicy, t); err != nil {
			return err
		}
	}
	return nil
}

func (w *work) allowAttr(rule string, v any, enforce bool, t auth.Target) error {
	known := rules()
	if (enforce || strings.HasSuffix(rule, ":tags")) && known[rule] {
		if err := w.scope.Check(rule, t); err != nil {
			return err
		}
	}
	var parts []map[string]any
	switch v := v.(type) {
	case map[string]any:
		parts = append(parts, v)
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok {
				parts = append(parts, m)
			}
		}
	}
	for _, m := range parts {
		for key := range m {
			if known[rule+":"+key] {
				if err := w.scope.Check(rule+":"+key, t); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// mayChange decides a change of a row the caller sees; it is a 403, as the row
// is no secret to the caller.
func (w *work) mayChange(action string, r *Resource, old Row, p prepared) error {
	t, err := w.target(r, old)
	if err != nil {
		return err
	}
	for k, v := range p.row {
		if k == "device_owner" || k == "target_tenant" { // rules look at the new value
			t[k] = v
		}
	}
	return w.allow(action, r, p, t)
}

// ofNetwork lets rules of ports and subnets look at their network.
func ofNetwork(w *work, row Row, t auth.Target) error {
	id := row.Str("network_id")
	if !row.Has("created_at") {
		if _, err := w.visibleNetwork(id); err != nil {
			return err
		}
	}
	lazy := func(attr string) policy.Lazy {
		return func() (any, bool) {
			n, err := w.network(id)
			return n[attr], err == nil
		}
	}
	t["network:project_id"], t["network:tenant_id"] = lazy("project_id"), lazy("project_id")
	t["shared"], t["router:external"] = lazy("shared"), lazy("router:external")
	return nil
}

// visibleNetwork reads a network that the caller may use, once a change.
func (w *work) visibleNetwork(id string) (Row, error) {
	if n, ok := w.usable[id]; ok {
		return n, nil
	}
	n, err := w.find(Networks, w.seesNetworks(), id)
	if err == nil {
		w.usable[id], w.networks[id] = n, n
	}
	return n, err
}

func ofGroup(w *work, row Row, t auth.Target) error {
	if !row.Has("created_at") {
		if _, err := w.find(SecurityGroups, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, row.Str("security_group_id")); err != nil {
			return err
		}
	}
	owner := policy.Lazy(func() (any, bool) {
		g, err := w.get(SecurityGroups, row.Str("security_group_id"))
		return g["project_id"], err == nil
	})
	t["security_group:project_id"], t["security_group:tenant_id"] = owner, owner
	t["ext_parent:project_id"], t["ext_parent:tenant_id"] = owner, owner
	return nil
}

func ofFloatingIP(w *work, row Row, t auth.Target) error {
	if !row.Has("created_at") {
		if _, err := w.find(FloatingIPs, View{All: w.scope.IsAdmin(), Project: w.scope.ProjectID}, row.Str("floatingip_id")); err != nil {
			return err
		}
	}
	owner := policy.Lazy(func() (any, bool) {
		f, err := w.get(FloatingIPs, row.Str("floatingip_id"))
		return f["project_id"], err == nil
	})
	t["ext_parent:project_id"], t["ext_parent:tenant_id"] = owner, owner
	return nil
}

// shareable tells rules that look at "shared" that the row is not, by itself.
func shareable(_ *work, _ Row, t auth.Target) error {
	if _, has := t["shared"]; !has {
		t["shared"] = false
	}
	return nil
}

// Hidden lists the attributes that rules keep from this caller: those shown on
// nothing, and those shown on the caller's own objects only.
func (r *Resource) Hidden(scope auth.Scope) (always, foreignOnly map[string]bool) {
	always, foreignOnly = map[string]bool{}, map[string]bool{}
	for _, attr := range r.always {
		rule := "get_" + r.Singular + ":" + attr
		if attr == "tags" || scope.May(rule, foreign()) {
			continue // whoever sees the object sees its tags
		}
		if scope.ProjectID == "" || !scope.May(rule, owned(scope)) {
			always[attr] = true
			continue
		}
		foreignOnly[attr] = true
	}
	return always, foreignOnly
}

// ParseIfMatch reads revision_number=N; negative where nothing is asked.
func ParseIfMatch(header string) (int64, error) {
	if header == "" {
		return -1, nil
	}
	for part := range strings.SplitSeq(strings.Trim(header, `"`), ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(part), "revision_number="); ok {
			if v, err := strconv.ParseInt(n, 10, 64); err == nil && v >= 0 {
				return v, nil
			}
		}
	}
	return 0, malformed("Invalid value for If-Match header: %s", header)
}
