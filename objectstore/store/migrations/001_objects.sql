-- +goose Up
-- Names are BYTEA: ordered by bytes on both databases (SQLite gives the column no
-- affinity that touches a blob), and a bound of a range need not be UTF-8.
CREATE TABLE object_accounts (
    name       TEXT PRIMARY KEY,  -- AUTH_<project id>
    meta       TEXT NOT NULL,     -- JSON: the client's; empty: none
    system     TEXT NOT NULL,     -- JSON: the features'
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL    -- 0: it lives
);
-- Sums are kept by every write. A busy account or container is spread over several
-- rows, so that concurrent transactions of PostgreSQL do not meet in one.
CREATE TABLE object_account_usage (
    account    TEXT NOT NULL,
    policy     BIGINT NOT NULL,
    stripe     BIGINT NOT NULL,
    containers BIGINT NOT NULL,
    objects    BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    PRIMARY KEY (account, policy, stripe)
);
CREATE TABLE object_containers (
    id         BIGINT PRIMARY KEY, -- random, never used again
    account    TEXT NOT NULL,
    name       BYTEA NOT NULL,
    policy     BIGINT NOT NULL,
    versioning TEXT NOT NULL CHECK (versioning IN ('', 'enabled', 'suspended')),
    meta       TEXT NOT NULL,
    system     TEXT NOT NULL,
    generation BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX object_containers_name ON object_containers (account, name);
CREATE INDEX object_containers_bucket ON object_containers (name);
CREATE TABLE object_usage (
    container_id BIGINT NOT NULL,
    stripe       BIGINT NOT NULL,
    objects      BIGINT NOT NULL, -- rows of state 2
    versions     BIGINT NOT NULL, -- rows of other states
    bytes        BIGINT NOT NULL, -- stored by all rows
    PRIMARY KEY (container_id, stripe)
);
-- One row is one version of one object. Reading up the key gives names in order,
-- and the versions of one name newest first.
CREATE TABLE objects (
    container_id BIGINT NOT NULL,
    name         BYTEA NOT NULL,
    age          BIGINT NOT NULL, -- minus the microseconds of its making
    state        BIGINT NOT NULL CHECK (state IN (0, 1, 2)), -- 2 latest, 1 latest and a delete marker, 0 neither
    marker       BOOLEAN NOT NULL,
    is_null      BOOLEAN NOT NULL, -- made while versioning was not enabled
    kind         TEXT NOT NULL,    -- empty: its own bytes; slo, dlo, symlink …
    etag         TEXT NOT NULL,
    size         BIGINT NOT NULL,  -- bytes that a reader gets
    stored       BIGINT NOT NULL,  -- bytes of the blob, which usage counts
    content_type TEXT NOT NULL,
    blob         TEXT NOT NULL,    -- empty: no bytes
    pieces       BIGINT NOT NULL,  -- 0: blob is one blob; else it names rows of object_pieces
    delete_at    BIGINT NOT NULL,  -- seconds since 1970; 0: never
    meta         TEXT NOT NULL,
    system       TEXT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (container_id, name, age)
);
CREATE UNIQUE INDEX objects_latest ON objects (container_id, name) WHERE state > 0;
CREATE INDEX objects_listed ON objects (container_id, name) WHERE state = 2;
CREATE INDEX objects_blob ON objects (blob) WHERE blob <> '';
CREATE INDEX objects_delete_at ON objects (delete_at) WHERE delete_at > 0;
-- The blobs of an object that was uploaded in parts, in order.
CREATE TABLE object_pieces (
    list   TEXT NOT NULL,
    number BIGINT NOT NULL,
    blob   TEXT NOT NULL,
    start  BIGINT NOT NULL, -- offset in the object
    size   BIGINT NOT NULL,
    etag   TEXT NOT NULL,
    PRIMARY KEY (list, number)
);
CREATE INDEX object_pieces_blob ON object_pieces (blob);
CREATE TABLE object_uploads (
    id           TEXT PRIMARY KEY,
    container_id BIGINT NOT NULL,
    name         BYTEA NOT NULL,
    content_type TEXT NOT NULL,
    meta         TEXT NOT NULL,
    system       TEXT NOT NULL,
    created_at   BIGINT NOT NULL
);
CREATE INDEX object_uploads_name ON object_uploads (container_id, name, id);
CREATE TABLE object_upload_parts (
    upload_id  TEXT NOT NULL,
    number     BIGINT NOT NULL,
    blob       TEXT NOT NULL,
    size       BIGINT NOT NULL,
    etag       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (upload_id, number)
);
CREATE INDEX object_upload_parts_blob ON object_upload_parts (blob);
-- Blob ids are handed out from blocks. A block has its row from before its first
-- blob is begun until all of its blobs are either named by a row or gone.
CREATE TABLE object_blocks (
    block    TEXT PRIMARY KEY,
    policy   BIGINT NOT NULL,
    writer   TEXT NOT NULL,   -- the process
    deadline BIGINT NOT NULL
);
CREATE INDEX object_blocks_writer ON object_blocks (writer);
-- Blobs that no row has any more and that are still to be removed.
CREATE TABLE object_garbage (
    blob   TEXT PRIMARY KEY,
    policy BIGINT NOT NULL
);
-- Blobs that the scrubber found damaged.
CREATE TABLE object_damage (
    blob     TEXT PRIMARY KEY,
    policy   BIGINT NOT NULL,
    reason   TEXT NOT NULL,
    found_at BIGINT NOT NULL
);
