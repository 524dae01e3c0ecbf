package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
)

// HostLoads sums the servers of every host.
func (*Store) HostLoads(ctx context.Context, r db.Reader) (map[string]compute.HostLoad, error) {
	type row struct {
		host string
		load compute.HostLoad
	}
	const q = `
		SELECT s.host, COUNT(*), SUM(CAST(a.vcpus AS BIGINT)), SUM(CAST(a.memory_mib AS BIGINT)), SUM(CAST(a.disk_gib AS BIGINT)),
		       SUM(CASE WHEN s.vm_state = 'building' THEN 1 ELSE 0 END)
		  FROM servers s JOIN server_sizes a ON a.server_id = s.id
		 WHERE s.deleted = FALSE AND s.host <> '' GROUP BY s.host`
	rows, err := db.List(ctx, r, func(s db.Scanner) (v row, err error) {
		err = s.Scan(&v.host, &v.load.Servers, &v.load.VCPUs, &v.load.MemoryMiB, &v.load.DiskGiB, &v.load.Building)
		return v, err
	}, q)
	out := make(map[string]compute.HostLoad, len(rows))
	for _, v := range rows {
		out[v.host] = v.load
	}
	return out, err
}

// ServersOf lists the servers of a host, or of every host.
func (*Store) ServersOf(ctx context.Context, r db.Reader, host string) ([]compute.Named, error) {
	q, args := "SELECT id, name, host FROM servers WHERE deleted = FALSE AND host <> ''", []any{}
	if host != "" {
		q, args = "SELECT id, name, host FROM servers WHERE deleted = FALSE AND host = $1", []any{host}
	}
	return db.List(ctx, r, func(s db.Scanner) (n compute.Named, err error) { err = s.Scan(&n.ID, &n.Name, &n.Host); return n, err }, q+" ORDER BY id", args...)
}

// SetHost saves what an operator set.
func (*Store) SetHost(ctx context.Context, tx *db.Tx, h compute.Host) error {
	_, err := tx.Exec(ctx, "UPDATE compute_hosts SET disabled = $1, disabled_reason = $2, forced_down = $3, zone = $4, updated_at = $5 WHERE name = $6",
		h.Disabled, h.DisabledReason, h.ForcedDown, h.Zone, db.Micros(h.UpdatedAt), h.Name)
	return err
}

// DeleteHost forgets a host.
func (*Store) DeleteHost(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, "DELETE FROM compute_hosts WHERE name = $1", name)
	return err
}
