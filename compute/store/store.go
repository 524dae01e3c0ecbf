// Package store is compute's SQL: servers, their actions, and the flavors,
// keys, quotas and hosts around them. Every statement that a tenant's request
// reaches has the scope in its WHERE; a server is saved only if its row is
// still one generation behind.
//
// What belongs to one server only (metadata, tags, disks) lives in its row as
// JSON: a list of a thousand servers is one query, and a boot few statements.
package store

import (
	"embed"
	"io/fs"

	"altostack/kernel/db"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are compute's tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// Store reads and writes compute's tables.
type Store struct{ db *db.DB }

// New makes a store over an open database.
func New(d *db.DB) *Store { return &Store{d} }
