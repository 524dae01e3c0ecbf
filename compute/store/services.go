package store

import (
	"context"

	"altostack/compute"
	"altostack/kernel/db"
)

// HostLoads sums the servers of every host.
func (*Store) HostLoads(ctx context.Context, r db.Reader) (map[string]compute.HostLoad, error) {
	type row struct {
		host   string
		flavor compute.Flavor
		count  int64
		state  string
	}
	// Grouped by the flavor's text, as few servers differ in it.
	const q = `SELECT host, flavor, vm_state, COUNT(*) FROM servers WHERE deleted = FALSE AND host <> '' GROUP BY host, flavor, vm_state`
	rows, err := db.List(ctx, r, func(s db.Scanner) (v row, err error) {
		err = s.Scan(&v.host, db.FromJSON{Into: &v.flavor}, &v.state, &v.count)
		return v, err
	}, q)
	out := map[string]compute.HostLoad{}
	for _, v := range rows {
		l := out[v.host]
		l.Servers += v.count
		l.VCPUs += v.count * int64(v.flavor.VCPUs)
		l.MemoryMiB += v.count * int64(v.flavor.MemoryMiB)
		l.DiskGiB += v.count * int64(v.flavor.DiskGiB+v.flavor.EphemeralGiB)
		if v.state == "building" {
			l.Building += v.count
		}
		out[v.host] = l
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
