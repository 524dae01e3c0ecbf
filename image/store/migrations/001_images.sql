-- +goose Up
CREATE TABLE images (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,        -- empty: none
    status           TEXT NOT NULL CHECK (status IN ('queued', 'saving', 'active', 'deactivated')),
    visibility       TEXT NOT NULL CHECK (visibility IN ('public', 'private', 'shared', 'community')),
    owner            TEXT NOT NULL,
    disk_format      TEXT NOT NULL,
    container_format TEXT NOT NULL,
    checksum         TEXT NOT NULL,
    hash_algo        TEXT NOT NULL,
    hash_value       TEXT NOT NULL,
    size             BIGINT NOT NULL,      -- bytes; -1: no data yet
    virtual_size     BIGINT NOT NULL,      -- bytes; -1: no data yet
    min_disk         BIGINT NOT NULL,
    min_ram          BIGINT NOT NULL,
    protected        BOOLEAN NOT NULL,
    hidden           BOOLEAN NOT NULL,
    blob             TEXT NOT NULL,        -- of an upload under way, or of the data
    uploader         TEXT NOT NULL,        -- the process that uploads
    deadline         BIGINT NOT NULL,      -- when an upload of a dead process may be given up
    generation       BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
CREATE INDEX images_owner ON images (owner, created_at);
CREATE INDEX images_visibility ON images (visibility, created_at);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_name ON images (name);
CREATE INDEX images_saving ON images (deadline) WHERE status = 'saving';
CREATE TABLE image_properties (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
CREATE INDEX image_properties_value ON image_properties (name, value);
CREATE TABLE image_tags (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    tag      TEXT NOT NULL,
    PRIMARY KEY (image_id, tag)
);
CREATE INDEX image_tags_tag ON image_tags (tag);
CREATE TABLE image_members (
    image_id   TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    member_id  TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, member_id)
);
CREATE INDEX image_members_member ON image_members (member_id, status);
-- Blobs that no image has any more and that are still to be removed.
CREATE TABLE image_garbage (
    blob TEXT PRIMARY KEY
);
