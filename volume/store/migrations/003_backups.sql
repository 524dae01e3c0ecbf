-- +goose Up
-- A backup outlives its volume and snapshot, hence no references to them.
CREATE TABLE volume_backups (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	volume_id TEXT NOT NULL,
	snapshot_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('creating', 'available', 'restoring', 'deleting', 'error', 'error_deleting')),
	fail_reason TEXT NOT NULL,
	size_gib BIGINT NOT NULL CHECK (size_gib > 0),
	bytes BIGINT NOT NULL,
	objects BIGINT NOT NULL,
	held_by TEXT NOT NULL,
	container TEXT NOT NULL,
	prefix TEXT NOT NULL,
	zone TEXT NOT NULL,
	metadata TEXT NOT NULL,
	data_at BIGINT NOT NULL,
	generation BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX volume_backups_project ON volume_backups (project_id, created_at, id);
CREATE INDEX volume_backups_created ON volume_backups (created_at, id);
CREATE INDEX volume_backups_volume ON volume_backups (volume_id, project_id);
CREATE INDEX volume_backups_parent ON volume_backups (parent_id);
