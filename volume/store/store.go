// Package store keeps the block storage tables. Small maps are JSON columns,
// written with sorted keys so that a filter can look for a pair of them; lists
// read their attachments and types in one further query, never one per row.
package store

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the block storage tables.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded
	}
	return sub
}

// Store implements volume.Store.
type Store struct{}

// New makes a store.
func New() *Store { return &Store{} }

// marks writes n placeholders from $from on.
func marks(from, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + itoa(from+i))
	}
	return b.String()
}

func anys(values []string) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = v
	}
	return out
}
