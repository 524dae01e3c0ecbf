package db

import (
	"context"
	"fmt"
	"regexp"
)

var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// CreateDatabase makes a database on the PostgreSQL server that d is connected to.
func (d *DB) CreateDatabase(ctx context.Context, name string) error {
	if !databaseName.MatchString(name) {
		return fmt.Errorf("database name %q: want lower-case letters, digits and _", name)
	}
	_, err := d.writers.ExecContext(ctx, "CREATE DATABASE "+name) // a name cannot be a parameter; it is checked above
	return err
}
