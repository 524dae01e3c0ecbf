-- +goose Up
CREATE TABLE placement_providers (
    uuid       TEXT PRIMARY KEY,
    seq        BIGINT NOT NULL,      -- order of creation
    name       TEXT NOT NULL,
    generation BIGINT NOT NULL,
    parent     TEXT NOT NULL,        -- empty: it is a root
    root       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX placement_providers_name ON placement_providers (name);
CREATE INDEX placement_providers_root ON placement_providers (root);
CREATE INDEX placement_providers_parent ON placement_providers (parent);
-- used is the sum of the allocations, kept in the transaction that changes them.
CREATE TABLE placement_inventories (
    provider   TEXT NOT NULL REFERENCES placement_providers (uuid),
    class      TEXT NOT NULL,
    total      BIGINT NOT NULL,
    reserved   BIGINT NOT NULL,
    min_unit   BIGINT NOT NULL,
    max_unit   BIGINT NOT NULL,
    step_size  BIGINT NOT NULL CHECK (step_size > 0),
    ratio      DOUBLE PRECISION NOT NULL,
    used       BIGINT NOT NULL CHECK (used >= 0),
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (provider, class)
);
CREATE INDEX placement_inventories_class ON placement_inventories (class);
CREATE TABLE placement_consumers (
    uuid       TEXT PRIMARY KEY,
    generation BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    type       TEXT NOT NULL,        -- empty: unknown
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX placement_consumers_project ON placement_consumers (project_id, user_id);
CREATE TABLE placement_allocations (
    consumer   TEXT NOT NULL REFERENCES placement_consumers (uuid),
    provider   TEXT NOT NULL,
    class      TEXT NOT NULL,
    used       BIGINT NOT NULL CHECK (used > 0),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, provider, class),
    FOREIGN KEY (provider, class) REFERENCES placement_inventories (provider, class)
);
CREATE INDEX placement_allocations_provider ON placement_allocations (provider, class);
-- Custom traits and classes; the standard ones come with the executable.
CREATE TABLE placement_traits (
    name       TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);
CREATE TABLE placement_classes (
    name       TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL
);
CREATE TABLE placement_provider_traits (
    provider TEXT NOT NULL REFERENCES placement_providers (uuid),
    trait    TEXT NOT NULL,
    PRIMARY KEY (provider, trait)
);
CREATE INDEX placement_provider_traits_trait ON placement_provider_traits (trait);
CREATE TABLE placement_provider_aggregates (
    provider  TEXT NOT NULL REFERENCES placement_providers (uuid),
    aggregate TEXT NOT NULL,
    PRIMARY KEY (provider, aggregate)
);
