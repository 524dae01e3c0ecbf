// Package store is the SQL of the network service. Rows of resources are read
// and written by their column table (rows.go); everything that is more than a
// row (addresses, wiring, quotas) is a statement of its own. What a caller may
// see is part of every read of a resource (visible).
package store

import (
	"embed"
	"io/fs"

	"altostack/kernel/db"
	"altostack/network"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of the service.
func Migrations() fs.FS {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the name is a constant of this file
	}
	return sub
}

// Store is the service's part of the database.
type Store struct{ db *db.DB }

// New makes the store of an open, migrated database.
func New(d *db.DB) *Store { return &Store{d} }

var _ network.Store = (*Store)(nil)
