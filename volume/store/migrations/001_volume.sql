-- +goose Up
CREATE TABLE volume_types (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT NOT NULL,
	is_public BOOLEAN NOT NULL,
	extra_specs TEXT NOT NULL,
	qos_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE TABLE volume_type_access (
	type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE,
	project_id TEXT NOT NULL,
	PRIMARY KEY (type_id, project_id)
);
CREATE TABLE volume_default_types (
	project_id TEXT PRIMARY KEY,
	type_id TEXT NOT NULL REFERENCES volume_types (id)
);
CREATE TABLE volume_qos (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	consumer TEXT NOT NULL CHECK (consumer IN ('front-end', 'back-end', 'both')),
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE TABLE volumes (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	size_gib BIGINT NOT NULL CHECK (size_gib > 0),
	growing_gib BIGINT NOT NULL CHECK (growing_gib >= 0),
	type_id TEXT NOT NULL REFERENCES volume_types (id),
	status TEXT NOT NULL CHECK (status IN ('creating', 'downloading', 'available', 'reserved', 'attaching', 'in-use',
		'detaching', 'deleting', 'extending', 'uploading', 'awaiting-transfer', 'backing-up', 'restoring-backup',
		'retyping', 'reverting', 'error', 'error_deleting', 'error_extending', 'error_backing-up', 'error_restoring',
		'error_managing', 'maintenance')),
	previous_status TEXT NOT NULL,
	attach_status TEXT NOT NULL CHECK (attach_status IN ('attached', 'detached')),
	zone TEXT NOT NULL,
	host TEXT NOT NULL,
	bootable BOOLEAN NOT NULL,
	read_only BOOLEAN NOT NULL,
	multiattach BOOLEAN NOT NULL,
	snapshot_id TEXT NOT NULL,
	source_id TEXT NOT NULL,
	metadata TEXT NOT NULL,
	image_meta TEXT NOT NULL,
	image_id TEXT NOT NULL,
	reason TEXT NOT NULL,
	generation BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX volumes_project ON volumes (project_id, created_at, id);
CREATE INDEX volumes_created ON volumes (created_at, id);
CREATE INDEX volumes_type ON volumes (type_id);
CREATE TABLE volume_snapshots (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL REFERENCES volumes (id),
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	type_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	size_gib BIGINT NOT NULL CHECK (size_gib > 0),
	status TEXT NOT NULL CHECK (status IN ('creating', 'available', 'backing-up', 'deleting', 'error', 'error_deleting',
		'restoring', 'unmanaging')),
	metadata TEXT NOT NULL,
	progress TEXT NOT NULL,
	generation BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX volume_snapshots_project ON volume_snapshots (project_id, created_at, id);
CREATE INDEX volume_snapshots_created ON volume_snapshots (created_at, id);
CREATE INDEX volume_snapshots_volume ON volume_snapshots (volume_id);
CREATE TABLE volume_attachments (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL REFERENCES volumes (id),
	server_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	host TEXT NOT NULL,
	host_name TEXT NOT NULL,
	device TEXT NOT NULL,
	mode TEXT NOT NULL,
	status TEXT NOT NULL CHECK (status IN ('reserved', 'attaching', 'attached', 'detaching', 'error_attaching', 'error_detaching')),
	managed BOOLEAN NOT NULL,
	connector TEXT NOT NULL,
	connection TEXT NOT NULL,
	attached_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX volume_attachments_volume ON volume_attachments (volume_id);
CREATE INDEX volume_attachments_server ON volume_attachments (server_id);
CREATE INDEX volume_attachments_project ON volume_attachments (project_id, created_at, id);
CREATE TABLE volume_quotas (
	owner TEXT NOT NULL, -- project id, or class:NAME
	resource TEXT NOT NULL,
	hard_limit BIGINT NOT NULL CHECK (hard_limit >= -1),
	PRIMARY KEY (owner, resource)
);
CREATE TABLE volume_transfers (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	salt TEXT NOT NULL,
	key_hash TEXT NOT NULL,
	no_snapshots BOOLEAN NOT NULL,
	source_project TEXT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX volume_transfers_project ON volume_transfers (source_project, created_at, id);
CREATE UNIQUE INDEX volume_transfers_volume ON volume_transfers (volume_id);
CREATE TABLE volume_messages (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	request_id TEXT NOT NULL,
	event_id TEXT NOT NULL,
	resource_type TEXT NOT NULL,
	resource_id TEXT NOT NULL,
	text TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE INDEX volume_messages_project ON volume_messages (project_id, created_at, id);
CREATE TABLE volume_daemons (
	host TEXT NOT NULL,
	binary_name TEXT NOT NULL,
	disabled BOOLEAN NOT NULL,
	reason TEXT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (host, binary_name)
);
