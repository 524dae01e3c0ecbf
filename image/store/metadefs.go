package store

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"

	"altostack/image/metadefs"
	"altostack/kernel/db"
	"altostack/kernel/page"
)

//go:embed metadefs/*.sql
var metadefMigrations embed.FS

// MetadefMigrations are the tables of metadata definitions.
func MetadefMigrations() fs.FS {
	sub, err := fs.Sub(metadefMigrations, "metadefs")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// Metadefs implements metadefs.Store.
type Metadefs struct{}

// NewMetadefs makes a store.
func NewMetadefs() *Metadefs { return &Metadefs{} }

const namespaceColumns = "id, name, display_name, description, visibility, owner, protected, created_at, updated_at"

func scanNamespace(s db.Scanner) (metadefs.Namespace, error) {
	var n metadefs.Namespace
	var created, updated int64
	err := s.Scan(&n.ID, &n.Name, &n.DisplayName, &n.Description, &n.Visibility, &n.Owner, &n.Protected, &created, &updated)
	n.CreatedAt, n.UpdatedAt = db.Time(created), db.Time(updated)
	return n, err
}

// Namespace reads one namespace.
func (*Metadefs) Namespace(ctx context.Context, r db.Reader, name string) (metadefs.Namespace, bool, error) {
	return db.Get(ctx, r, scanNamespace, "SELECT "+namespaceColumns+" FROM metadef_namespaces WHERE name = $1", name)
}

// Namespaces reads a page of namespaces as a caller may see them.
func (*Metadefs) Namespaces(ctx context.Context, r db.Reader, q metadefs.Query) ([]metadefs.Namespace, bool, error) {
	sel := page.From(namespaceColumns, "metadef_namespaces", "id").Equal("visibility", q.Visibility)
	if !q.Admin {
		sel.Where("visibility = 'public' OR (owner = ? AND owner <> '')", q.ProjectID)
	}
	if q.Types != nil {
		args := make([]any, len(q.Types))
		marks := ""
		for i, t := range q.Types {
			args[i], marks = t, marks+", ?"
		}
		sel.Where("EXISTS (SELECT 1 FROM metadef_associations a WHERE a.namespace_id = metadef_namespaces.id AND a.type IN ("+marks[2:]+"))", args...)
	}
	return page.List(ctx, r, sel, q.Page, scanNamespace)
}

// InsertNamespace adds a namespace.
func (*Metadefs) InsertNamespace(ctx context.Context, tx *db.Tx, n metadefs.Namespace) error {
	_, err := tx.Exec(ctx, "INSERT INTO metadef_namespaces ("+namespaceColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
		n.ID, n.Name, n.DisplayName, n.Description, n.Visibility, n.Owner, n.Protected, db.Micros(n.CreatedAt), db.Micros(n.UpdatedAt))
	return err
}

// SaveNamespace writes what may change of a namespace.
func (*Metadefs) SaveNamespace(ctx context.Context, tx *db.Tx, n metadefs.Namespace) error {
	const q = `
		UPDATE metadef_namespaces SET name = $1, display_name = $2, description = $3, visibility = $4, owner = $5, protected = $6, updated_at = $7
		 WHERE id = $8`
	_, err := tx.Exec(ctx, q, n.Name, n.DisplayName, n.Description, n.Visibility, n.Owner, n.Protected, db.Micros(n.UpdatedAt), n.ID)
	return err
}

// DeleteNamespace removes a namespace with all that it holds.
func (*Metadefs) DeleteNamespace(ctx context.Context, tx *db.Tx, id string) error {
	for _, q := range []string{
		"DELETE FROM metadef_definitions WHERE namespace_id = $1", "DELETE FROM metadef_associations WHERE namespace_id = $1",
		"DELETE FROM metadef_namespaces WHERE id = $1",
	} {
		if _, err := tx.Exec(ctx, q, id); err != nil {
			return err
		}
	}
	return nil
}

const definitionColumns = "id, namespace_id, kind, name, body, created_at, updated_at"

func scanDefinition(s db.Scanner) (metadefs.Definition, error) {
	var d metadefs.Definition
	var body string
	var created, updated int64
	err := s.Scan(&d.ID, &d.NamespaceID, &d.Kind, &d.Name, &body, &created, &updated)
	d.Body, d.CreatedAt, d.UpdatedAt = json.RawMessage(body), db.Time(created), db.Time(updated)
	return d, err
}

// Definitions reads definitions of one kind, or of all.
func (*Metadefs) Definitions(ctx context.Context, r db.Reader, namespace string, kind metadefs.Kind, p page.Request) ([]metadefs.Definition, error) {
	sel := page.From(definitionColumns, "metadef_definitions", "id").Where("namespace_id = ?", namespace).Equal("kind", string(kind))
	list, _, err := page.List(ctx, r, sel, p, scanDefinition)
	return list, err
}

// Definition reads one definition.
func (*Metadefs) Definition(ctx context.Context, r db.Reader, namespace string, kind metadefs.Kind, name string) (metadefs.Definition, bool, error) {
	return db.Get(ctx, r, scanDefinition, "SELECT "+definitionColumns+" FROM metadef_definitions WHERE namespace_id = $1 AND kind = $2 AND unique_name = $3",
		namespace, string(kind), metadefs.Key(kind, name))
}

// InsertDefinition adds a definition.
func (*Metadefs) InsertDefinition(ctx context.Context, tx *db.Tx, d metadefs.Definition) error {
	_, err := tx.Exec(ctx, "INSERT INTO metadef_definitions ("+definitionColumns+", unique_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		d.ID, d.NamespaceID, string(d.Kind), d.Name, string(d.Body), db.Micros(d.CreatedAt), db.Micros(d.UpdatedAt), metadefs.Key(d.Kind, d.Name))
	return err
}

// SaveDefinition writes what may change of a definition.
func (*Metadefs) SaveDefinition(ctx context.Context, tx *db.Tx, d metadefs.Definition) error {
	_, err := tx.Exec(ctx, "UPDATE metadef_definitions SET name = $1, unique_name = $2, body = $3, updated_at = $4 WHERE id = $5",
		d.Name, metadefs.Key(d.Kind, d.Name), string(d.Body), db.Micros(d.UpdatedAt), d.ID)
	return err
}

// DeleteDefinitions removes one definition, or all of a kind.
func (*Metadefs) DeleteDefinitions(ctx context.Context, tx *db.Tx, namespace string, kind metadefs.Kind, name string) error {
	if name == "" {
		_, err := tx.Exec(ctx, "DELETE FROM metadef_definitions WHERE namespace_id = $1 AND kind = $2", namespace, string(kind))
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM metadef_definitions WHERE namespace_id = $1 AND kind = $2 AND unique_name = $3", namespace, string(kind), metadefs.Key(kind, name))
	return err
}

// ResourceTypes reads every resource type.
func (*Metadefs) ResourceTypes(ctx context.Context, r db.Reader) ([]metadefs.ResourceType, error) {
	return db.List(ctx, r, func(s db.Scanner) (metadefs.ResourceType, error) {
		var t metadefs.ResourceType
		var created int64
		err := s.Scan(&t.Name, &created)
		t.CreatedAt, t.UpdatedAt = db.Time(created), db.Time(created)
		return t, err
	}, "SELECT name, created_at FROM metadef_resource_types ORDER BY name")
}

// Associations reads those of some namespaces, oldest first.
func (*Metadefs) Associations(ctx context.Context, r db.Reader, namespaces []string) ([]metadefs.Association, error) {
	sel := page.From("namespace_id, type, prefix, target, created_at, updated_at", "metadef_associations", "type").In("namespace_id", namespaces)
	list, _, err := page.List(ctx, r, sel, page.Request{Sort: []page.Key{{Column: "created_at"}}}, func(s db.Scanner) (metadefs.Association, error) {
		var a metadefs.Association
		var created, updated int64
		err := s.Scan(&a.NamespaceID, &a.Type, &a.Prefix, &a.Target, &created, &updated)
		a.CreatedAt, a.UpdatedAt = db.Time(created), db.Time(updated)
		return a, err
	})
	return list, err
}

// InsertAssociation adds an association and, where it is new, its resource type.
func (*Metadefs) InsertAssociation(ctx context.Context, tx *db.Tx, a metadefs.Association) error {
	if _, err := tx.Exec(ctx, "INSERT INTO metadef_resource_types (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", a.Type, db.Micros(a.CreatedAt)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO metadef_associations (namespace_id, type, prefix, target, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6)",
		a.NamespaceID, a.Type, a.Prefix, a.Target, db.Micros(a.CreatedAt), db.Micros(a.UpdatedAt))
	return err
}

// DeleteAssociation removes an association.
func (*Metadefs) DeleteAssociation(ctx context.Context, tx *db.Tx, namespace, resourceType string) error {
	_, err := tx.Exec(ctx, "DELETE FROM metadef_associations WHERE namespace_id = $1 AND type = $2", namespace, resourceType)
	return err
}
