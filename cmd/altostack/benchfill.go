package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"altostack/kernel/db"
	"altostack/wire"
)

// benchFillCommand fills the database of a cloud that is down, for measuring lists
// of many servers, which would take minutes to boot.
func benchFillCommand() *cobra.Command {
	var data string
	var servers, objects int
	cmd := &cobra.Command{Use: "fill", Short: "Copy a server's rows many times into the SQLite database of a cloud that is down", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := wire.OpenDataDir(data)
			if err != nil {
				return err
			}
			defer dir.Close()
			d, err := db.Open(cmd.Context(), "sqlite:"+filepath.Join(dir.Path, "altostack.db")+"?sync=off")
			if err != nil {
				return err
			}
			return errors.Join(fill(cmd.Context(), d, servers), fillObjects(cmd.Context(), d, objects), d.Close())
		}}
	dataFlag(cmd, &data)
	cmd.Flags().IntVar(&servers, "servers", 100000, "servers to add; 0: none")
	cmd.Flags().IntVar(&objects, "objects", 0, "objects of the container bench-filled, in an account that there is")
	return cmd
}

// copies says which tables a server has rows in, and which columns differ from
// copy to copy; :i is the copy's number. Copies are on a host that there is not,
// and in no group's members, so that only lists have more to do.
var copies = []struct {
	table, where string
	differ       map[string]string
}{
	{"servers", "id = $2", map[string]string{"id": fillID("a"), "number": "(SELECT MAX(number) FROM servers) + i", "name": "'fill-' || i", "hostname": "'fill-' || i",
		"host": "'fill'", "created_at": "created_at - i * 1000000"}},
	{"ports", "device_id = $2", map[string]string{"id": fillID("b"), "device_id": fillID("a"), "mac_address": "printf('fe:00:%02x:%02x:%02x:00', i / 65536, i / 256 % 256, i % 256)",
		"fixed_ips": "json_array(json_object('subnet_id', fixed_ips ->> '$[0].subnet_id', 'ip_address', " + fillAddress + "))", "binding_host_id": "'fill'"}},
	{"server_actions", "server_id = $2", map[string]string{"server_id": fillID("a")}},
}

const fillAddress = "printf('10.%d.%d.%d', 210 + i / 65536, i / 256 % 256, i % 256)"

func fillID(kind string) string {
	return "printf('" + kind + "0000000-0000-4000-8000-%012x', i)"
}

// fillObjects makes a container of empty objects, a thousand to a directory.
func fillObjects(ctx context.Context, d *db.DB, n int) error {
	if n == 0 {
		return nil
	}
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, q := range []string{
			`INSERT INTO object_containers (id, account, name, policy, versioning, meta, system, generation, created_at, updated_at)
				SELECT 1, name, CAST('bench-filled' AS BLOB), 0, '', '', '', 1, created_at, created_at FROM object_accounts WHERE $1 > 0 ORDER BY name LIMIT 1`,
			`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $1 - 1)
				INSERT INTO objects (container_id, name, age, state, marker, is_null, kind, etag, size, stored, content_type, blob, pieces, delete_at, meta, system, updated_at)
				SELECT 1, CAST(printf('d%06d/%09d', i / 1000, i) AS BLOB), -c.created_at, 2, FALSE, TRUE, '', 'd41d8cd98f00b204e9800998ecf8427e', 0, 0, 'application/octet-stream', '', 0, 0, '', '', c.created_at
				  FROM n, object_containers c WHERE c.id = 1`,
			"INSERT INTO object_usage (container_id, stripe, objects, versions, bytes) VALUES (1, 0, $1, 0, 0)",
		} {
			if _, err := tx.Exec(ctx, q, n); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, "ANALYZE")
		return err
	})
}

func fill(ctx context.Context, d *db.DB, n int) error {
	if n == 0 {
		return nil
	}
	original, found, err := db.Get(ctx, d, db.Value[string], "SELECT id FROM servers WHERE vm_state = 'active' AND deleted = FALSE ORDER BY number LIMIT 1")
	if err != nil {
		return err
	}
	if !found {
		return errors.New("the cloud has no ACTIVE server to copy")
	}
	for _, c := range copies {
		columns, err := db.List(ctx, d, db.Value[string], "SELECT name FROM pragma_table_info($1)", c.table)
		if err != nil {
			return err
		}
		values := make([]string, len(columns))
		for i, name := range columns {
			if values[i] = c.differ[name]; values[i] == "" {
				values[i] = name
			}
		}
		q := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) INSERT INTO " + c.table + " (" + strings.Join(columns, ", ") +
			") SELECT " + strings.Join(values, ", ") + " FROM " + c.table + ", n WHERE " + c.where
		err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, q, n, original); return err })
		if err != nil {
			return fmt.Errorf("fill %s: %w", c.table, err)
		}
	}
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error { _, err := tx.Exec(ctx, "ANALYZE"); return err })
}
