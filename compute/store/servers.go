package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"altostack/compute"
	"altostack/kernel/auth"
	"altostack/kernel/db"
	"altostack/kernel/fault"
	"altostack/kernel/page"
)

const serverColumns = `id, number, project_id, user_id, name, hostname, description, vm_state, task_state, power_state, want_power,
	host, zone, pinned_zone, image_id, flavor_id, flavor, key_name, config_drive, disk_config, locked, locked_by, locked_reason,
	access_ip_v4, access_ip_v6, reservation_id, launch_index, progress, metadata, tags, security_groups, fault, disks, user_data,
	spec, boot_saga, tried, generation, deleted, created_at, updated_at, launched_at, ended_at, powered_at`

// scanServer reads one row.
func scanServer(row db.Scanner) (compute.Server, error) { return scanServers()(row) }

// scanServers reads rows of one list. Most columns of small structured data are
// empty or, as the flavor, the same in most rows: these are not decoded again.
func scanServers() func(row db.Scanner) (compute.Server, error) {
	var text string
	var flavor compute.Flavor
	return func(row db.Scanner) (compute.Server, error) {
		var s compute.Server
		var spec, raw string
		var created, updated, launched, ended, powered int64
		err := row.Scan(&s.ID, &s.Number, &s.ProjectID, &s.UserID, &s.Name, &s.Hostname, &s.Description, &s.VMState, &s.Task, &s.PowerState, &s.Want,
			&s.Host, &s.Zone, &s.PinnedZone, &s.ImageID, &s.FlavorID, &raw, &s.KeyName, &s.ConfigDrive, &s.DiskConfig,
			&s.Locked, &s.LockedBy, &s.LockedReason, &s.AccessIPv4, &s.AccessIPv6, &s.ReservationID, &s.LaunchIndex, &s.Progress,
			small{&s.Metadata}, small{&s.Tags}, small{&s.SecurityGroups}, small{&s.Fault},
			small{&s.Disks}, &s.UserData, &spec, &s.BootSaga, small{&s.Tried}, &s.Generation, &s.Deleted,
			&created, &updated, &launched, &ended, &powered)
		s.PoweredAt = db.Time(powered)
		if err == nil && raw != text {
			flavor = compute.Flavor{}
			err = json.Unmarshal([]byte(raw), &flavor)
			text = raw
		}
		s.Flavor = flavor
		s.SetRawSpec(spec)
		s.CreatedAt, s.UpdatedAt, s.LaunchedAt, s.EndedAt = db.Time(created), db.Time(updated), db.Time(launched), db.Time(ended)
		return s, err
	}
}

// small is a JSON column that is mostly empty.
type small struct{ into any }

// Scan implements sql.Scanner.
func (c small) Scan(src any) error {
	if s, ok := src.(string); ok && (s == "" || s == "[]" || s == "{}" || s == "null") {
		return nil
	}
	return db.FromJSON{Into: c.into}.Scan(src)
}

func faultText(f *compute.Fault) string {
	if f == nil {
		return ""
	}
	return db.JSON(f)
}

// InsertServer saves a new server; its number is drawn here.
func (*Store) InsertServer(ctx context.Context, tx *db.Tx, s compute.Server) error {
	const q = `
		INSERT INTO servers (id, number, project_id, user_id, name, hostname, description, vm_state, task_state, power_state, want_power,
		       host, zone, pinned_zone, image_id, flavor_id, flavor, key_name, config_drive, disk_config, locked, locked_by, locked_reason,
		       access_ip_v4, access_ip_v6, reservation_id, launch_index, progress, metadata, tags, security_groups, fault, disks, user_data,
		       spec, boot_saga, tried, generation, deleted, created_at, updated_at, launched_at, ended_at, powered_at)
		VALUES ($1, (SELECT COALESCE(MAX(number), 0) + 1 FROM servers), $2, $3, $4, $5, $6, $7, $8, $9, $10,
		       '', $11, $12, $13, $14, $15, $16, $17, $18, FALSE, '', NULL,
		       $19, $20, $21, $22, 0, $23, $24, $25, '', $26, $27,
		       $28, '', '[]', $29, FALSE, $30, $30, 0, 0, 0)`
	_, err := tx.Exec(ctx, q, s.ID, s.ProjectID, s.UserID, s.Name, s.Hostname, s.Description, string(s.VMState), string(s.Task), int(s.PowerState), string(s.Want),
		s.Zone, s.PinnedZone, s.ImageID, s.FlavorID, db.JSON(s.Flavor), s.KeyName, s.ConfigDrive, s.DiskConfig,
		s.AccessIPv4, s.AccessIPv6, s.ReservationID, s.LaunchIndex, db.JSON(s.Metadata), db.JSON(s.Tags), db.JSON(s.SecurityGroups), db.JSON(s.Disks), s.UserData,
		s.RawSpec(), s.Generation, db.Micros(s.CreatedAt))
	if err != nil {
		return fmt.Errorf("insert server %s: %w", s.ID, err)
	}
	return nil
}

// SaveServer writes s if its row is still one generation behind, and returns
// fault db.stale if not.
func (*Store) SaveServer(ctx context.Context, tx *db.Tx, s compute.Server) error {
	const q = `
		UPDATE servers
		   SET name = $1, hostname = $2, description = $3, vm_state = $4, task_state = $5, power_state = $6, want_power = $7, host = $8,
		       zone = $9, pinned_zone = $10, locked = $11, locked_by = $12, locked_reason = $13, access_ip_v4 = $14, access_ip_v6 = $15,
		       progress = $16, metadata = $17, tags = $18, fault = $19, disks = $20, boot_saga = $21, tried = $22, generation = $23,
		       deleted = $24, updated_at = $25, launched_at = $26, ended_at = $27, disk_config = $28, powered_at = $29
		 WHERE id = $30 AND generation = $23 - 1`
	n, err := tx.Exec(ctx, q, s.Name, s.Hostname, s.Description, string(s.VMState), string(s.Task), int(s.PowerState), string(s.Want), s.Host,
		s.Zone, s.PinnedZone, s.Locked, s.LockedBy, s.LockedReason, s.AccessIPv4, s.AccessIPv6,
		s.Progress, db.JSON(s.Metadata), db.JSON(s.Tags), faultText(s.Fault), db.JSON(s.Disks), s.BootSaga, db.JSON(s.Tried), s.Generation,
		s.Deleted, db.Micros(s.UpdatedAt), db.Micros(s.LaunchedAt), db.Micros(s.EndedAt), s.DiskConfig, db.Micros(s.PoweredAt), s.ID)
	if err != nil {
		return fmt.Errorf("save server %s: %w", s.ID, err)
	}
	if n == 0 {
		return fault.Stale("server", s.ID)
	}
	return nil
}

// SaveSpec writes what a rebuild changes and SaveServer leaves alone; call it
// after SaveServer in the same transaction.
func (*Store) SaveSpec(ctx context.Context, tx *db.Tx, s compute.Server) error {
	const q = `UPDATE servers SET image_id = $1, key_name = $2, user_data = $3, spec = $4 WHERE id = $5 AND generation = $6`
	n, err := tx.Exec(ctx, q, s.ImageID, s.KeyName, s.UserData, s.RawSpec(), s.ID, s.Generation)
	if err == nil && n == 0 {
		err = fault.Stale("server", s.ID)
	}
	return err
}

// Server reads a server that is not deleted, or with deleted any.
func (*Store) Server(ctx context.Context, r db.Reader, scope auth.Scope, id string, deleted bool) (compute.Server, bool, error) {
	q, args := "SELECT "+serverColumns+" FROM servers WHERE id = $1", []any{id}
	if !deleted {
		q += " AND deleted = FALSE"
	}
	if !scope.All {
		project := ""
		if scope.Principal != nil {
			project = scope.ProjectID
		}
		q, args = q+" AND project_id = $2", append(args, project)
	}
	return db.Get(ctx, r, scanServer, q, args...)
}

// OnHost answers the servers that should have a guest on the host.
func (*Store) OnHost(ctx context.Context, r db.Reader, host string) ([]compute.Server, error) {
	return db.List(ctx, r, scanServers(), "SELECT "+serverColumns+" FROM servers WHERE host = $1 AND deleted = FALSE ORDER BY number", host)
}

// ServersByID reads many servers at once.
func (*Store) ServersByID(ctx context.Context, r db.Reader, ids []string) ([]compute.Server, error) {
	s := page.From(serverColumns, "servers", "id").In("id", ids)
	rows, _, err := page.List(ctx, r, s, page.Request{}, scanServer)
	return rows, err
}

// Stuck answers servers in BUILD that were last changed before a time.
func (*Store) Stuck(ctx context.Context, r db.Reader, before time.Time) ([]compute.Server, error) {
	return db.List(ctx, r, scanServer, "SELECT "+serverColumns+" FROM servers WHERE vm_state = 'building' AND deleted = FALSE AND updated_at < $1", db.Micros(before))
}

// List answers one page of servers.
func (s *Store) List(ctx context.Context, r db.Reader, f compute.Filter, req page.Request) ([]compute.Server, bool, error) {
	sel := page.From(serverColumns, "servers", "id")
	if f.ProjectID != "" {
		sel.Where("project_id = ?", f.ProjectID)
	}
	switch {
	case f.Deleted != nil:
		sel.Where("deleted = ?", *f.Deleted)
	case f.ChangedSince.IsZero() && f.ChangedBefore.IsZero():
		sel.Where("deleted = ?", false)
	}
	sel.Equal("user_id", f.UserID).Equal("host", f.Host).Equal("image_id", f.ImageID).Equal("flavor_id", f.FlavorID).
		Equal("reservation_id", f.ReservationID).Equal("key_name", f.KeyName).Equal("id", f.ID).Equal("hostname", f.Hostname).
		Equal("access_ip_v4", f.AccessIPv4).Equal("access_ip_v6", f.AccessIPv6).Equal("zone", f.Zone)
	if f.States != nil {
		sel.In("vm_state", f.States)
	}
	if f.Tasks != nil {
		sel.In("task_state", f.Tasks)
	}
	if !f.ChangedSince.IsZero() {
		sel.Where("updated_at >= ?", db.Micros(f.ChangedSince))
	}
	if !f.ChangedBefore.IsZero() {
		sel.Where("updated_at <= ?", db.Micros(f.ChangedBefore))
	}
	if f.Locked != nil {
		sel.Where("locked = ?", *f.Locked)
	}
	number(sel, "power_state", f.PowerState)
	number(sel, "launch_index", f.LaunchIndex)
	number(sel, "progress", f.Progress)
	if f.ConfigDrive != nil {
		sel.Where("config_drive = ?", *f.ConfigDrive)
	}
	if f.Description != "" {
		sel.Where("description = ?", f.Description)
	}
	tags(sel, f)
	for k, v := range f.Metadata {
		sel.Where(holds("metadata"), inside(map[string]string{k: v}))
	}
	if f.IDs != nil {
		sel.In("id", f.IDs)
	}
	return page.List(ctx, r, sel, req, scanServers())
}

func number(sel *page.Select, column, value string) {
	if value == "" {
		return
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		sel.Where("1 = 0")
		return
	}
	sel.Where(column+" = ?", n)
}

// holds tests a JSON text for a part of it. Both databases compare REPLACE by
// bytes, where LIKE differs and would want escapes.
func holds(column string) string { return "REPLACE(" + column + ", ?, '') <> " + column }

func inside(m map[string]string) string {
	text := db.JSON(m)
	return text[1 : len(text)-1]
}

func tags(sel *page.Select, f compute.Filter) {
	for _, t := range f.Tags {
		sel.Where(holds("tags"), db.JSON(t))
	}
	any := func(list []string) (string, []any) {
		conds, args := make([]string, len(list)), make([]any, len(list))
		for i, t := range list {
			conds[i], args[i] = holds("tags"), db.JSON(t)
		}
		return strings.Join(conds, " OR "), args
	}
	if len(f.TagsAny) > 0 {
		cond, args := any(f.TagsAny)
		sel.Where("("+cond+")", args...)
	}
	if len(f.NotTagsAny) > 0 {
		cond, args := any(f.NotTagsAny)
		sel.Where("NOT ("+cond+")", args...)
	}
	if len(f.NotTags) > 0 {
		cond, args := any(f.NotTags)
		sel.Where("NOT ("+strings.ReplaceAll(cond, " OR ", " AND ")+")", args...)
	}
}
