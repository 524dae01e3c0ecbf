-- +goose Up
-- Images get two states more, which SQLite can only say in a new table. What hangs
-- on images is copied along, so that dropping the old table takes nothing with it.
CREATE TABLE images_2 (
    id               TEXT PRIMARY KEY,
    name             TEXT NOT NULL,        -- empty: none
    status           TEXT NOT NULL CHECK (status IN ('queued', 'saving', 'uploading', 'importing', 'active', 'deactivated')),
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
    blob             TEXT NOT NULL,        -- of the data in every store, of data that arrives, or of staged data
    uploader         TEXT NOT NULL,        -- the process that data arrives at
    deadline         BIGINT NOT NULL,      -- when an upload of a dead process may be given up
    generation       BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL
);
INSERT INTO images_2 SELECT id, name, status, visibility, owner, disk_format, container_format, checksum, hash_algo, hash_value, size, virtual_size,
    min_disk, min_ram, protected, hidden, blob, uploader, deadline, generation, created_at, updated_at FROM images;
CREATE TABLE image_properties_2 (
    image_id TEXT NOT NULL REFERENCES images_2 (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (image_id, name)
);
INSERT INTO image_properties_2 SELECT image_id, name, value FROM image_properties;
CREATE TABLE image_tags_2 (
    image_id TEXT NOT NULL REFERENCES images_2 (id) ON DELETE CASCADE,
    tag      TEXT NOT NULL,
    PRIMARY KEY (image_id, tag)
);
INSERT INTO image_tags_2 SELECT image_id, tag FROM image_tags;
CREATE TABLE image_members_2 (
    image_id   TEXT NOT NULL REFERENCES images_2 (id) ON DELETE CASCADE,
    member_id  TEXT NOT NULL,
    status     TEXT NOT NULL CHECK (status IN ('pending', 'accepted', 'rejected')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, member_id)
);
INSERT INTO image_members_2 SELECT image_id, member_id, status, created_at, updated_at FROM image_members;
DROP TABLE image_properties;
DROP TABLE image_tags;
DROP TABLE image_members;
DROP TABLE images;
ALTER TABLE images_2 RENAME TO images;
ALTER TABLE image_properties_2 RENAME TO image_properties;
ALTER TABLE image_tags_2 RENAME TO image_tags;
ALTER TABLE image_members_2 RENAME TO image_members;
CREATE INDEX images_owner ON images (owner, created_at);
CREATE INDEX images_visibility ON images (visibility, created_at);
CREATE INDEX images_created ON images (created_at, id);
CREATE INDEX images_name ON images (name);
CREATE INDEX images_saving ON images (deadline) WHERE status IN ('saving', 'uploading');
CREATE INDEX image_properties_value ON image_properties (name, value);
CREATE INDEX image_tags_tag ON image_tags (tag);
CREATE INDEX image_members_member ON image_members (member_id, status);

-- Where an image's data is: in a store, under the image's blob, or at a URL.
CREATE TABLE image_locations (
    image_id TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position BIGINT NOT NULL,              -- order in which they are tried
    store    TEXT NOT NULL,
    url      TEXT NOT NULL,                -- empty: the image's blob
    metadata TEXT NOT NULL,                -- JSON
    ready    BOOLEAN NOT NULL,             -- false: data is on its way there
    PRIMARY KEY (image_id, position)
);

INSERT INTO image_locations SELECT id, 0, 'file', '', '{}', TRUE FROM images WHERE status IN ('active', 'deactivated');
-- What no image names is found by listing the stores.
DROP TABLE image_garbage;

-- What was or is done with images on request.
CREATE TABLE image_tasks (
    id         TEXT PRIMARY KEY,
    type       TEXT NOT NULL CHECK (type IN ('import', 'api_image_import', 'location_import')),
    status     TEXT NOT NULL CHECK (status IN ('pending', 'processing', 'success', 'failure')),
    owner      TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    request_id TEXT NOT NULL,
    image_id   TEXT NOT NULL,
    input      TEXT NOT NULL,              -- JSON
    result     TEXT NOT NULL,              -- JSON or empty
    message    TEXT NOT NULL,
    expires_at BIGINT NOT NULL,            -- 0: not ended yet
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX image_tasks_owner ON image_tasks (owner, created_at);
CREATE INDEX image_tasks_created ON image_tasks (created_at, id);
CREATE INDEX image_tasks_image ON image_tasks (image_id, created_at);
CREATE INDEX image_tasks_expiry ON image_tasks (expires_at) WHERE expires_at > 0;

-- Copies of data of remote stores, kept near.
CREATE TABLE image_cache (
    image_id      TEXT PRIMARY KEY REFERENCES images (id) ON DELETE CASCADE,
    blob          TEXT NOT NULL,
    ready         BOOLEAN NOT NULL,        -- false: still to be fetched
    hits          BIGINT NOT NULL,
    last_accessed BIGINT NOT NULL,
    last_modified BIGINT NOT NULL,
    queued_at     BIGINT NOT NULL
);
