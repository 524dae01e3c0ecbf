// Package store keeps placement's tables. What is promised of an inventory is a
// column of it, changed in the transaction that changes the allocations, so that
// neither a claim nor a list ever sums allocations.
package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"altostack/kernel/db"
	"altostack/placement"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are placement's tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// Store implements placement.Store.
type Store struct{}

// New makes a store.
func New() *Store { return &Store{} }

// manyIDs is from where on reading everything is cheaper than naming rows.
const manyIDs = 500

// Load reads providers whole, in order of creation; nil reads all.
func (s *Store) Load(ctx context.Context, r db.Reader, uuids []string) ([]*placement.Provider, error) {
	if uuids != nil && len(uuids) == 0 {
		return nil, nil
	}
	wanted := map[string]bool{}
	for _, u := range uuids {
		wanted[u] = true
	}
	if len(uuids) > manyIDs {
		uuids = nil
	}
	where, args := in("uuid", uuids)
	list, err := db.List(ctx, r, scanProvider, "SELECT uuid, seq, name, generation, parent, root, created_at, updated_at FROM placement_providers"+where+" ORDER BY seq", args...)
	if err != nil {
		return nil, fmt.Errorf("load providers: %w", err)
	}
	if len(wanted) > 0 {
		list = slices.DeleteFunc(list, func(p *placement.Provider) bool { return !wanted[p.UUID] })
	}
	byID := make(map[string]*placement.Provider, len(list))
	for _, p := range list {
		byID[p.UUID] = p
	}
	if err := loadInventories(ctx, r, uuids, byID); err != nil {
		return nil, err
	}
	where, args = in("provider", uuids)
	if err := loadPairs(ctx, r, "SELECT provider, trait FROM placement_provider_traits"+where+" ORDER BY trait", args, func(id, v string) {
		if p := byID[id]; p != nil {
			p.Traits = append(p.Traits, v)
		}
	}); err != nil {
		return nil, err
	}
	return list, loadPairs(ctx, r, "SELECT provider, aggregate FROM placement_provider_aggregates"+where+" ORDER BY aggregate", args, func(id, v string) {
		if p := byID[id]; p != nil {
			p.Aggregates = append(p.Aggregates, v)
		}
	})
}

func in(column string, values []string) (string, []any) {
	if values == nil {
		return "", nil
	}
	args := make([]any, len(values))
	marks := make([]string, len(values))
	for i, v := range values {
		args[i], marks[i] = v, "$"+strconv.Itoa(i+1)
	}
	return " WHERE " + column + " IN (" + strings.Join(marks, ", ") + ")", args
}

func scanProvider(s db.Scanner) (*placement.Provider, error) {
	p := &placement.Provider{Inventories: map[string]placement.Inventory{}}
	var created, updated, seq int64
	err := s.Scan(&p.UUID, &seq, &p.Name, &p.Generation, &p.Parent, &p.Root, &created, &updated)
	p.CreatedAt, p.UpdatedAt = db.Time(created), db.Time(updated)
	return p.WithSeq(seq), err
}

func loadInventories(ctx context.Context, r db.Reader, uuids []string, byID map[string]*placement.Provider) error {
	where, args := in("provider", uuids)
	rows, err := r.Query(ctx, "SELECT provider, class, total, reserved, min_unit, max_unit, step_size, ratio, used, updated_at FROM placement_inventories"+where, args...)
	if err != nil {
		return fmt.Errorf("load inventories: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, class string
		var i placement.Inventory
		var updated int64
		if err := rows.Scan(&id, &class, &i.Total, &i.Reserved, &i.MinUnit, &i.MaxUnit, &i.StepSize, &i.Ratio, &i.Used, &updated); err != nil {
			return err
		}
		i.UpdatedAt = db.Time(updated)
		if p := byID[id]; p != nil {
			p.Inventories[class] = i
		}
	}
	return rows.Err()
}

func loadPairs(ctx context.Context, r db.Reader, query string, args []any, each func(id, v string)) error {
	rows, err := r.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("load providers: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, v string
		if err := rows.Scan(&id, &v); err != nil {
			return err
		}
		each(id, v)
	}
	return rows.Err()
}

// FindByName answers a provider's UUID, empty where there is none.
func (*Store) FindByName(ctx context.Context, r db.Reader, name string) (string, error) {
	id, _, err := db.Get(ctx, r, db.Value[string], "SELECT uuid FROM placement_providers WHERE name = $1", name)
	return id, err
}

// InsertProvider adds a provider without inventories.
func (*Store) InsertProvider(ctx context.Context, tx *db.Tx, p *placement.Provider) error {
	const q = `
		INSERT INTO placement_providers (uuid, seq, name, generation, parent, root, created_at, updated_at)
		VALUES ($1, (SELECT COALESCE(MAX(seq), 0) + 1 FROM placement_providers), $2, $3, $4, $5, $6, $7)`
	_, err := tx.Exec(ctx, q, p.UUID, p.Name, p.Generation, p.Parent, p.Root, db.Micros(p.CreatedAt), db.Micros(p.UpdatedAt))
	return err
}

// SaveProvider writes p if its row is still at generation from.
func (*Store) SaveProvider(ctx context.Context, tx *db.Tx, p *placement.Provider, from int64) (bool, error) {
	const q = `
		UPDATE placement_providers SET name = $1, generation = $2, parent = $3, root = $4, updated_at = $5
		 WHERE uuid = $6 AND generation = $7`
	n, err := tx.Exec(ctx, q, p.Name, p.Generation, p.Parent, p.Root, db.Micros(p.UpdatedAt), p.UUID, from)
	return n == 1, err
}

// DeleteProvider removes a provider with what hangs on it.
func (*Store) DeleteProvider(ctx context.Context, tx *db.Tx, uuid string) error {
	for _, q := range []string{
		"DELETE FROM placement_provider_traits WHERE provider = $1",
		"DELETE FROM placement_provider_aggregates WHERE provider = $1",
		"DELETE FROM placement_inventories WHERE provider = $1",
		"DELETE FROM placement_providers WHERE uuid = $1",
	} {
		if _, err := tx.Exec(ctx, q, uuid); err != nil {
			return fmt.Errorf("delete provider %s: %w", uuid, err)
		}
	}
	return nil
}

// SetRoot moves providers to another root.
func (*Store) SetRoot(ctx context.Context, tx *db.Tx, uuids []string, root string) error {
	for _, id := range uuids {
		if _, err := tx.Exec(ctx, "UPDATE placement_providers SET root = $1 WHERE uuid = $2", root, id); err != nil {
			return err
		}
	}
	return nil
}

// SaveInventory writes what is there; what is promised of it stays.
func (*Store) SaveInventory(ctx context.Context, tx *db.Tx, provider, class string, i placement.Inventory) error {
	const q = `
		INSERT INTO placement_inventories (provider, class, total, reserved, min_unit, max_unit, step_size, ratio, used, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)
		ON CONFLICT (provider, class) DO UPDATE SET total = excluded.total, reserved = excluded.reserved, min_unit = excluded.min_unit,
			max_unit = excluded.max_unit, step_size = excluded.step_size, ratio = excluded.ratio, updated_at = excluded.updated_at`
	_, err := tx.Exec(ctx, q, provider, class, i.Total, i.Reserved, i.MinUnit, i.MaxUnit, i.StepSize, i.Ratio, db.Micros(i.UpdatedAt))
	return err
}

// DeleteInventory removes an inventory that nobody uses.
func (*Store) DeleteInventory(ctx context.Context, tx *db.Tx, provider, class string) error {
	_, err := tx.Exec(ctx, "DELETE FROM placement_inventories WHERE provider = $1 AND class = $2 AND used = 0", provider, class)
	return err
}

// SetTraits replaces a provider's traits.
func (*Store) SetTraits(ctx context.Context, tx *db.Tx, provider string, traits []string) error {
	return replacePairs(ctx, tx, "placement_provider_traits", "trait", provider, traits)
}

// SetAggregates replaces a provider's aggregates.
func (*Store) SetAggregates(ctx context.Context, tx *db.Tx, provider string, aggregates []string) error {
	return replacePairs(ctx, tx, "placement_provider_aggregates", "aggregate", provider, aggregates)
}

func replacePairs(ctx context.Context, tx *db.Tx, table, column, provider string, values []string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE provider = $1", provider); err != nil {
		return err
	}
	for _, v := range values {
		if _, err := tx.Exec(ctx, "INSERT INTO "+table+" (provider, "+column+") VALUES ($1, $2) ON CONFLICT DO NOTHING", provider, v); err != nil {
			return err
		}
	}
	return nil
}

// CustomTraits reads the traits that operators made.
func (*Store) CustomTraits(ctx context.Context, r db.Reader) (map[string]time.Time, error) {
	return readNames(ctx, r, "placement_traits")
}

// CustomClasses reads the resource classes that operators made.
func (*Store) CustomClasses(ctx context.Context, r db.Reader) (map[string]time.Time, error) {
	return readNames(ctx, r, "placement_classes")
}

func readNames(ctx context.Context, r db.Reader, table string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	rows, err := r.Query(ctx, "SELECT name, created_at FROM "+table)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var at int64
		if err := rows.Scan(&name, &at); err != nil {
			return nil, err
		}
		out[name] = db.Time(at)
	}
	return out, rows.Err()
}

var nameTables = map[placement.NameKind]string{placement.TraitName: "placement_traits", placement.ClassName: "placement_classes"}

// InsertName adds a custom name and reports whether it was new.
func (*Store) InsertName(ctx context.Context, tx *db.Tx, kind placement.NameKind, name string, now time.Time) (bool, error) {
	n, err := tx.Exec(ctx, "INSERT INTO "+nameTables[kind]+" (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", name, db.Micros(now))
	return n == 1, err
}

// DeleteName removes a custom name.
func (*Store) DeleteName(ctx context.Context, tx *db.Tx, kind placement.NameKind, name string) error {
	_, err := tx.Exec(ctx, "DELETE FROM "+nameTables[kind]+" WHERE name = $1", name)
	return err
}

// RenameClass renames a custom class that nothing uses yet.
func (*Store) RenameClass(ctx context.Context, tx *db.Tx, from, to string) error {
	_, err := tx.Exec(ctx, "UPDATE placement_classes SET name = $1 WHERE name = $2", to, from)
	return err
}

// NameInUse reports whether a provider has the trait or an inventory of the class.
func (*Store) NameInUse(ctx context.Context, r db.Reader, kind placement.NameKind, name string) (bool, error) {
	q := "SELECT provider FROM placement_provider_traits WHERE trait = $1 LIMIT 1"
	if kind == placement.ClassName {
		q = "SELECT provider FROM placement_inventories WHERE class = $1 LIMIT 1"
	}
	_, found, err := db.Get(ctx, r, db.Value[string], q, name)
	return found, err
}
