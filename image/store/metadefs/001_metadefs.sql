-- +goose Up
CREATE TABLE metadef_namespaces (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,        -- empty: none
    description  TEXT NOT NULL,        -- empty: none
    visibility   TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
    owner        TEXT NOT NULL,
    protected    BOOLEAN NOT NULL,
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX metadef_namespaces_created ON metadef_namespaces (created_at, id);
CREATE INDEX metadef_namespaces_owner ON metadef_namespaces (owner, created_at);
CREATE TABLE metadef_definitions (
    id           TEXT PRIMARY KEY,
    namespace_id TEXT NOT NULL REFERENCES metadef_namespaces (id),
    kind         TEXT NOT NULL CHECK (kind IN ('object', 'property', 'tag')),
    name         TEXT NOT NULL,
    unique_name  TEXT NOT NULL,        -- in lower case where case does not count
    body         TEXT NOT NULL,        -- JSON; empty: none
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    UNIQUE (namespace_id, kind, unique_name)
);
CREATE INDEX metadef_definitions_created ON metadef_definitions (namespace_id, kind, created_at, id);
CREATE TABLE metadef_resource_types (
    name       TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);
CREATE TABLE metadef_associations (
    namespace_id TEXT NOT NULL REFERENCES metadef_namespaces (id),
    type         TEXT NOT NULL REFERENCES metadef_resource_types (name),
    prefix       TEXT NOT NULL,        -- empty: none
    target       TEXT NOT NULL,        -- empty: none
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (namespace_id, type)
);
CREATE INDEX metadef_associations_type ON metadef_associations (type);
