// Package metadefs owns metadata definitions: namespaces that say which
// properties and tags images, flavors, volumes and other resources may carry,
// and what they mean, for people and dashboards to choose from.
//
// A namespace is public or its owner's; nothing in it is enforced on anybody. All
// that a namespace holds (objects, properties, tags) is a named definition whose
// body is the JSON that it came as, so definitions written elsewhere survive the
// way in and out.
//
// Every change is one transaction in which the namespace is looked up, the rule
// decided and protection checked, so callers may race freely: of two that make
// the same name the later gets image.metadef_exists.
//
// Wire format: OpenStack Image API v2, metadata definitions; files are those of
// glance-manage db_load_metadefs.
package metadefs

import (
	"context"
	"encoding/json"
	"time"

	"altostack/kernel/auth"
	"altostack/kernel/clock"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/id"
	"altostack/kernel/page"
)

// The visibilities of a namespace.
const (
	Public  = "public"
	Private = "private"
)

// Namespace is a set of definitions under one name.
type Namespace struct {
	ID, Name, DisplayName, Description string
	Visibility, Owner                  string
	Protected                          bool
	CreatedAt, UpdatedAt               time.Time
}

// Kind says what a definition is.
type Kind string

// The kinds of definition.
const (
	Object   Kind = "object"
	Property Kind = "property"
	Tag      Kind = "tag"
)

// Definition is one object, property or tag of a namespace. Body is the JSON of
// a property's schema, or of an object without its name; a tag has none.
type Definition struct {
	ID, NamespaceID      string
	Kind                 Kind
	Name                 string
	Body                 json.RawMessage
	CreatedAt, UpdatedAt time.Time
}

// Association says that a namespace is meant for a resource type. Prefix goes
// before its properties' names there.
type Association struct {
	NamespaceID, Type, Prefix, Target string
	CreatedAt, UpdatedAt              time.Time
}

// ResourceType is something that carries properties, as OS::Nova::Flavor.
type ResourceType struct {
	Name                 string
	CreatedAt, UpdatedAt time.Time
}

// Whole is a namespace with all that it holds.
type Whole struct {
	Namespace
	Associations []Association
	Definitions  []Definition
}

// Query is a list of namespaces. Page.Marker is an ID.
type Query struct {
	Page       page.Request
	Visibility string
	Types      []string // with an association to one of them

	ProjectID string // the caller's; Admin sees everything
	Admin     bool
}

// Store is what the service asks of its tables.
type Store interface {
	Namespace(ctx context.Context, r db.Reader, name string) (Namespace, bool, error)
	Namespaces(ctx context.Context, r db.Reader, q Query) ([]Namespace, bool, error)
	InsertNamespace(ctx context.Context, tx *db.Tx, n Namespace) error
	SaveNamespace(ctx context.Context, tx *db.Tx, n Namespace) error
	// DeleteNamespace deletes all that the namespace holds, too.
	DeleteNamespace(ctx context.Context, tx *db.Tx, id string) error

	// Definitions lists one kind, or all with an empty one; Marker is an ID.
	Definitions(ctx context.Context, r db.Reader, namespace string, kind Kind, p page.Request) ([]Definition, error)
	Definition(ctx context.Context, r db.Reader, namespace string, kind Kind, name string) (Definition, bool, error)
	InsertDefinition(ctx context.Context, tx *db.Tx, d Definition) error
	SaveDefinition(ctx context.Context, tx *db.Tx, d Definition) error
	// DeleteDefinitions deletes one, or with an empty name all of a kind.
	DeleteDefinitions(ctx context.Context, tx *db.Tx, namespace string, kind Kind, name string) error

	ResourceTypes(ctx context.Context, r db.Reader) ([]ResourceType, error)
	// Associations lists those of some namespaces, oldest first.
	Associations(ctx context.Context, r db.Reader, namespaces []string) ([]Association, error)
	// InsertAssociation makes the resource type, too, if there is none.
	InsertAssociation(ctx context.Context, tx *db.Tx, a Association) error
	DeleteAssociation(ctx context.Context, tx *db.Tx, namespace, resourceType string) error
}

// Config is what a Service needs.
type Config struct {
	DB    *db.DB
	Store Store
	Clock clock.Clock
	IDs   id.Source
}

// Service keeps the definitions; it is safe for concurrent use.
type Service struct {
	db    *db.DB
	store Store
	clock clock.Clock
	ids   id.Source
}

// New makes the service.
func New(c Config) *Service { return &Service{c.DB, c.Store, c.Clock, c.IDs} }

func errNoNamespace(name string) error {
	return fault.New(fault.CodeImageMetadefNotFound, "Metadata definition namespace=%s was not found.", name)
}

// target is what rules compare of a namespace.
func (n Namespace) target() auth.Target {
	return auth.Target{"project_id": n.Owner, "owner": n.Owner, "visibility": n.Visibility}
}

// find answers a namespace that the caller may see and may treat as rules say.
func (s *Service) find(ctx context.Context, r db.Reader, scope auth.Scope, name string, rules ...string) (Namespace, error) {
	n, found, err := s.store.Namespace(ctx, r, name)
	if err != nil {
		return n, err
	}
	if !found || scope.Principal == nil {
		return n, errNoNamespace(name)
	}
	if !scope.IsAdmin() && n.Visibility != Public && (scope.ProjectID == "" || n.Owner != scope.ProjectID) {
		return n, fault.New(fault.CodeImageMetadefNotFound, "Namespace %s not found", name)
	}
	for _, rule := range rules {
		if err := scope.Check(rule, n.target()); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Get answers a namespace that the caller may see, if every rule allows it.
func (s *Service) Get(ctx context.Context, scope auth.Scope, name string, rules ...string) (Namespace, error) {
	return s.find(ctx, s.db, scope, name, rules...)
}

// Contents answers all that a namespace holds.
func (s *Service) Contents(ctx context.Context, n Namespace) (Whole, error) {
	w := Whole{Namespace: n}
	var err error
	if w.Associations, err = s.store.Associations(ctx, s.db, []string{n.ID}); err != nil {
		return w, err
	}
	w.Definitions, err = s.store.Definitions(ctx, s.db, n.ID, "", page.Request{Sort: []page.Key{{Column: "created_at"}}})
	return w, err
}

// List lists namespaces that the caller may see, with their associations but
// without their definitions. The marker is a name.
func (s *Service) List(ctx context.Context, scope auth.Scope, q Query) ([]Whole, bool, error) {
	q.ProjectID, q.Admin = scope.ProjectID, scope.IsAdmin()
	if q.Page.Marker != "" {
		n, err := s.find(ctx, s.db, scope, q.Page.Marker)
		if err != nil {
			return nil, false, err
		}
		q.Page.Marker = n.ID
	}
	list, more, err := s.store.Namespaces(ctx, s.db, q)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	out, ids, at := make([]Whole, len(list)), make([]string, len(list)), map[string]int{}
	for i, n := range list {
		out[i].Namespace, ids[i], at[n.ID] = n, n.ID, i
	}
	all, err := s.store.Associations(ctx, s.db, ids)
	for _, a := range all {
		i := at[a.NamespaceID]
		out[i].Associations = append(out[i].Associations, a)
	}
	return out, more, err
}

// ResourceTypes lists every resource type that a namespace was ever meant for.
func (s *Service) ResourceTypes(ctx context.Context) ([]ResourceType, error) {
	return s.store.ResourceTypes(ctx, s.db)
}

// Associations lists what a namespace is meant for.
func (s *Service) Associations(ctx context.Context, n Namespace) ([]Association, error) {
	return s.store.Associations(ctx, s.db, []string{n.ID})
}

// Definitions lists definitions of one kind. The marker is a name.
func (s *Service) Definitions(ctx context.Context, n Namespace, kind Kind, p page.Request) ([]Definition, error) {
	if p.Marker != "" {
		d, err := s.Definition(ctx, n, kind, p.Marker)
		if err != nil {
			return nil, err
		}
		p.Marker = d.ID
	}
	return s.store.Definitions(ctx, s.db, n.ID, kind, p)
}

// Definition answers one definition.
func (s *Service) Definition(ctx context.Context, n Namespace, kind Kind, name string) (Definition, error) {
	return s.definition(ctx, s.db, n, kind, name)
}

func (s *Service) definition(ctx context.Context, r db.Reader, n Namespace, kind Kind, name string) (Definition, error) {
	d, found, err := s.store.Definition(ctx, r, n.ID, kind, name)
	if err == nil && !found {
		err = fault.New(fault.CodeImageMetadefNotFound, "The metadata definition %s with name=%s was not found in namespace=%s.", kind, name, n.Name)
	}
	return d, err
}

// Prefixed answers w with its properties named as a resource type spells them.
func (w Whole) Prefixed(resourceType string) Whole {
	prefix := ""
	for _, a := range w.Associations {
		if a.Type == resourceType {
			prefix = a.Prefix
		}
	}
	if prefix == "" {
		return w
	}
	defs := make([]Definition, len(w.Definitions))
	for i, d := range w.Definitions {
		switch d.Kind {
		case Property:
			d.Name = prefix + d.Name
		case Object:
			d = d.prefixed(prefix)
		}
		defs[i] = d
	}
	w.Definitions = defs
	return w
}

func (d Definition) prefixed(prefix string) Definition {
	var o FileObject
	if json.Unmarshal(d.Body, &o) != nil {
		return d
	}
	properties := make(map[string]json.RawMessage, len(o.Properties))
	for name, p := range o.Properties {
		properties[prefix+name] = p
	}
	o.Properties = properties
	for i := range o.Required {
		o.Required[i] = prefix + o.Required[i]
	}
	d.Body = o.Definition().Body
	return d
}
