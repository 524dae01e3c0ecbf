package identity

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"altostack/kernel/db"
	"altostack/kernel/id"
)

// Names that every cloud has from its first start.
const (
	DefaultDomainID = "default"
	ServiceProject  = "service"
	AdminProject    = "admin"
	AdminUser       = "admin"
	DemoProject     = "demo"
	DemoUser        = "demo"

	RoleAdmin   = "admin"
	RoleManager = "manager"
	RoleMember  = "member"
	RoleReader  = "reader"
	RoleService = "service"
)

// BootstrapService is one entry of the catalog. URLs are by interface; a plain
// URL is used for all three.
type BootstrapService struct {
	Type, Name, Description string
	URL                     string
}

// BootstrapOptions say what a first start makes.
type BootstrapOptions struct {
	AdminPassword string // empty: a random one, which Access tells
	DemoPassword  string
	Region        string // empty: RegionOne
	Services      []BootstrapService
	ServiceUsers  []string // built-in users, in the service project with roles service and admin
	Demo          bool     // a demo project with a demo user
	Roles         []string // further roles that services know, without implications
}

// Access is what a first start made. Passwords are empty when they were set by
// an earlier one, since nobody can read them back.
type Access struct {
	AdminUserID, AdminProjectID, AdminPassword string
	DemoUserID, DemoProjectID, DemoPassword    string
	ServiceProjectID                           string
	Region                                     string
	Created                                    bool // the administrator was made now
}

// Bootstrap makes what a cloud cannot be used without. Repeated, it adds what is
// missing, sets the endpoints' addresses and changes no password.
func (s *Service) Bootstrap(ctx context.Context, o BootstrapOptions) (Access, error) {
	access := Access{Region: o.Region}
	if access.Region == "" {
		access.Region = "RegionOne"
	}
	b := &bootstrap{Service: s, o: o, access: &access}
	if err := b.hash(ctx); err != nil {
		return access, err
	}
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		e.touched(keyAll)
		b.tx = tx
		for _, step := range []func(context.Context) error{b.domain, b.roles, b.administrator, b.services, b.demo, b.catalog} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		if s.rules.InactiveDays == 0 {
			return nil
		}
		return s.store.BeginActivity(ctx, tx, s.clock.Now())
	})
	return access, err
}

type bootstrap struct {
	*Service
	o      BootstrapOptions
	access *Access
	tx     *db.Tx
	hashes map[string]string // by user, made before the write
	role   map[string]string // name to id
}

// hash prepares the passwords, side by side: hashing is slow and must not hold up
// the writer.
func (b *bootstrap) hash(ctx context.Context) error {
	b.hashes = map[string]string{}
	b.access.AdminPassword, b.access.DemoPassword = b.o.AdminPassword, b.o.DemoPassword
	passwords := map[string]*string{AdminUser: &b.access.AdminPassword, DemoUser: &b.access.DemoPassword}
	if !b.o.Demo {
		b.access.DemoPassword = ""
		delete(passwords, DemoUser)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for name, password := range passwords {
		g.Go(func() error {
			known, err := b.tables.Users.List(ctx, b.db, Is("domain_id", DefaultDomainID), Is("name", name))
			if err != nil || len(known) > 0 {
				*password = ""
				return err
			}
			if *password == "" {
				*password = id.Secret(16)
			}
			hash, err := b.hasher.hash(ctx, *password)
			mu.Lock()
			defer mu.Unlock()
			b.hashes[name] = hash
			return err
		})
	}
	return g.Wait()
}

func (b *bootstrap) domain(ctx context.Context) error {
	_, found, err := b.tables.Projects.Get(ctx, b.tx, DefaultDomainID)
	if err != nil || found {
		return err
	}
	return b.tables.Projects.Insert(ctx, b.tx, Project{ID: DefaultDomainID, Name: "Default", IsDomain: true, Enabled: true, Description: "The default domain"})
}

func (b *bootstrap) roles(ctx context.Context) error {
	b.role = map[string]string{}
	names := []string{RoleAdmin, RoleManager, RoleMember, RoleReader, RoleService}
	known, err := b.tables.Roles.List(ctx, b.tx, Is("domain_id", ""))
	if err != nil {
		return err
	}
	for _, r := range known {
		b.role[r.Name] = r.ID
	}
	for _, name := range names {
		if b.role[name] != "" {
			continue
		}
		r := Role{ID: b.ids.Hex(), Name: name, Options: Extra{"immutable": true}}
		b.role[name] = r.ID
		if err := b.tables.Roles.Insert(ctx, b.tx, r); err != nil {
			return err
		}
	}
	for _, name := range b.o.Roles {
		if b.role[name] != "" {
			continue
		}
		r := Role{ID: b.ids.Hex(), Name: name}
		b.role[name] = r.ID
		if err := b.tables.Roles.Insert(ctx, b.tx, r); err != nil {
			return err
		}
	}
	for prior, implied := range map[string]string{RoleAdmin: RoleManager, RoleManager: RoleMember, RoleMember: RoleReader} {
		if err := b.store.AddImplication(ctx, b.tx, Implication{b.role[prior], b.role[implied]}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bootstrap) project(ctx context.Context, name, description string) (string, error) {
	known, err := b.tables.Projects.List(ctx, b.tx, Is("domain_id", DefaultDomainID), Is("name", name))
	if err != nil || len(known) > 0 {
		if err != nil {
			return "", err
		}
		return known[0].ID, nil
	}
	p := Project{ID: b.ids.Hex(), Name: name, DomainID: DefaultDomainID, ParentID: DefaultDomainID, Enabled: true, Description: description}
	return p.ID, b.tables.Projects.Insert(ctx, b.tx, p)
}

// user finds or makes a user with roles in a project.
func (b *bootstrap) user(ctx context.Context, name, projectID string, roles ...string) (userID string, made bool, err error) {
	known, err := b.tables.Users.List(ctx, b.tx, Is("domain_id", DefaultDomainID), Is("name", name))
	if err != nil {
		return "", false, err
	}
	u := User{ID: b.ids.Hex(), Name: name, DomainID: DefaultDomainID, Enabled: true, PasswordHash: b.hashes[name], PasswordCreatedAt: b.clock.Now()}
	if made = len(known) == 0; !made {
		u = known[0]
	} else if err := b.tables.Users.Insert(ctx, b.tx, u); err != nil {
		return "", false, err
	}
	for _, role := range roles {
		a := Assignment{ActorKind: ActorUser, ActorID: u.ID, TargetKind: TargetProject, TargetID: projectID, RoleID: b.role[role]}
		if err := b.store.AddAssignment(ctx, b.tx, a); err != nil {
			return "", false, err
		}
	}
	return u.ID, made, nil
}

func (b *bootstrap) administrator(ctx context.Context) error {
	project, err := b.project(ctx, AdminProject, "Bootstrap project for initializing the cloud.")
	if err != nil {
		return err
	}
	user, made, err := b.user(ctx, AdminUser, project, RoleAdmin)
	if err != nil {
		return err
	}
	b.access.AdminProjectID, b.access.AdminUserID, b.access.Created = project, user, made
	return b.store.AddAssignment(ctx, b.tx, Assignment{ActorKind: ActorUser, ActorID: user, TargetKind: TargetSystem, TargetID: systemTarget, RoleID: b.role[RoleAdmin]})
}

func (b *bootstrap) services(ctx context.Context) error {
	project, err := b.project(ctx, ServiceProject, "The services' own project")
	if err != nil {
		return err
	}
	b.access.ServiceProjectID = project
	for _, name := range b.o.ServiceUsers {
		if _, _, err := b.user(ctx, name, project, RoleService, RoleAdmin); err != nil {
			return err
		}
	}
	return nil
}

func (b *bootstrap) demo(ctx context.Context) error {
	if !b.o.Demo {
		return nil
	}
	project, err := b.project(ctx, DemoProject, "A first project to try things in")
	if err != nil {
		return err
	}
	b.access.DemoProjectID = project
	b.access.DemoUserID, _, err = b.user(ctx, DemoUser, project, RoleMember)
	if err != nil {
		return err
	}
	_, _, err = b.user(ctx, AdminUser, project, RoleAdmin)
	return err
}

func (b *bootstrap) catalog(ctx context.Context) error {
	if _, found, err := b.tables.Regions.Get(ctx, b.tx, b.access.Region); err != nil {
		return err
	} else if !found {
		if err := b.tables.Regions.Insert(ctx, b.tx, Region{ID: b.access.Region}); err != nil {
			return err
		}
	}
	known, err := b.tables.Services.List(ctx, b.tx)
	if err != nil {
		return err
	}
	for _, want := range b.o.Services {
		v := CatalogService{ID: b.ids.Hex(), Type: want.Type, Name: want.Name, Description: want.Description, Enabled: true}
		i := slices.IndexFunc(known, func(k CatalogService) bool { return k.Type == want.Type && k.Name == want.Name })
		if i >= 0 {
			v = known[i]
		} else if err := b.tables.Services.Insert(ctx, b.tx, v); err != nil {
			return err
		}
		if err := b.addresses(ctx, v.ID, want.URL); err != nil {
			return err
		}
	}
	return nil
}

func (b *bootstrap) addresses(ctx context.Context, serviceID, url string) error {
	known, err := b.tables.Endpoints.List(ctx, b.tx, Is("service_id", serviceID), Is("region_id", b.access.Region))
	if err != nil {
		return err
	}
	for _, face := range []string{"public", "internal", "admin"} {
		e := Endpoint{ID: b.ids.Hex(), ServiceID: serviceID, RegionID: b.access.Region, Interface: face, URL: url, Enabled: true}
		i := slices.IndexFunc(known, func(k Endpoint) bool { return k.Interface == face })
		if i < 0 {
			err = b.tables.Endpoints.Insert(ctx, b.tx, e)
		} else if e = known[i]; e.URL != url {
			e.URL = url
			err = b.tables.Endpoints.Save(ctx, b.tx, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
