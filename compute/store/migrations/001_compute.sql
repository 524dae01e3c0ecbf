-- +goose Up
CREATE TABLE servers (
    id              TEXT PRIMARY KEY,
    number          BIGINT NOT NULL,          -- counts servers, for instance names
    project_id      TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    name            TEXT NOT NULL,
    hostname        TEXT NOT NULL,
    description     TEXT,
    vm_state        TEXT NOT NULL CHECK (vm_state IN ('building', 'active', 'paused', 'stopped', 'error', 'deleted')),
    task_state      TEXT NOT NULL,            -- empty: none
    power_state     INTEGER NOT NULL,
    want_power      TEXT NOT NULL CHECK (want_power IN ('on', 'off', 'paused')),
    host            TEXT NOT NULL,            -- empty: not placed
    zone            TEXT NOT NULL,
    pinned_zone     TEXT NOT NULL,
    image_id        TEXT NOT NULL,
    flavor_id       TEXT NOT NULL,
    flavor          TEXT NOT NULL,            -- JSON, as it was at create
    key_name        TEXT NOT NULL,
    config_drive    BOOLEAN NOT NULL,
    disk_config     TEXT NOT NULL,
    locked          BOOLEAN NOT NULL,
    locked_by       TEXT NOT NULL,
    locked_reason   TEXT,
    access_ip_v4    TEXT NOT NULL,
    access_ip_v6    TEXT NOT NULL,
    reservation_id  TEXT NOT NULL,
    launch_index    INTEGER NOT NULL,
    progress        INTEGER NOT NULL,
    metadata        TEXT NOT NULL,            -- JSON object
    tags            TEXT NOT NULL,            -- JSON list, sorted
    security_groups TEXT NOT NULL,            -- JSON list of names asked for
    fault           TEXT NOT NULL,            -- JSON; empty: none
    disks           TEXT NOT NULL,            -- JSON list: root and attached volumes
    user_data       TEXT NOT NULL,            -- base64
    spec            TEXT NOT NULL,            -- JSON of what was asked for; never changes
    boot_saga       TEXT NOT NULL,
    tried           TEXT NOT NULL,            -- JSON list of hosts that failed to build it
    generation      BIGINT NOT NULL,
    deleted         BOOLEAN NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,          -- created_at until the first change
    launched_at     BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL,
    powered_at      BIGINT NOT NULL           -- when its present power was asked for
);
CREATE UNIQUE INDEX servers_number ON servers (number);
CREATE INDEX servers_project ON servers (project_id, deleted, created_at, id);
CREATE INDEX servers_all ON servers (deleted, created_at, id);
CREATE INDEX servers_changed ON servers (project_id, updated_at);
CREATE INDEX servers_host ON servers (host) WHERE deleted = FALSE;
CREATE INDEX servers_open ON servers (vm_state) WHERE vm_state = 'building';
CREATE INDEX servers_reservation ON servers (reservation_id);

CREATE TABLE server_actions (
    number      BIGINT NOT NULL,
    server_id   TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    name        TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    project_id  TEXT NOT NULL,
    message     TEXT NOT NULL,                -- empty unless it failed
    events      TEXT NOT NULL,                -- JSON list
    started_at  BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (server_id, number)
);
CREATE INDEX server_actions_request ON server_actions (server_id, request_id);

CREATE TABLE console_tokens (
    digest     TEXT PRIMARY KEY,              -- SHA-256 of the token; the token itself is not kept
    server_id  TEXT NOT NULL,
    kind       TEXT NOT NULL CHECK (kind IN ('vnc', 'serial')),
    expires_at BIGINT NOT NULL,
    used       BOOLEAN NOT NULL
);
CREATE INDEX console_tokens_expiry ON console_tokens (expires_at);

CREATE TABLE flavors (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    vcpus         INTEGER NOT NULL,
    memory_mib    INTEGER NOT NULL,
    disk_gib      INTEGER NOT NULL,
    ephemeral_gib INTEGER NOT NULL,
    swap_mib      INTEGER NOT NULL,
    rxtx          DOUBLE PRECISION NOT NULL,
    is_public     BOOLEAN NOT NULL,
    disabled      BOOLEAN NOT NULL,
    description   TEXT,
    extra_specs   TEXT NOT NULL,              -- JSON object
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);
CREATE TABLE flavor_access (
    flavor_id  TEXT NOT NULL REFERENCES flavors (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE keypairs (
    number      BIGINT NOT NULL UNIQUE,
    user_id     TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL CHECK (type IN ('ssh', 'x509')),
    fingerprint TEXT NOT NULL,
    public_key  TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE TABLE compute_quotas (
    project_id TEXT NOT NULL,
    resource   TEXT NOT NULL,
    value      BIGINT NOT NULL,               -- -1: no limit
    PRIMARY KEY (project_id, resource)
);
CREATE TABLE compute_quota_classes (
    class    TEXT NOT NULL,
    resource TEXT NOT NULL,
    value    BIGINT NOT NULL,
    PRIMARY KEY (class, resource)
);
CREATE TABLE compute_usage (
    project_id TEXT PRIMARY KEY,
    instances  BIGINT NOT NULL,
    cores      BIGINT NOT NULL,
    ram        BIGINT NOT NULL                -- MiB
);

CREATE TABLE compute_hosts (
    name            TEXT PRIMARY KEY,
    number          BIGINT NOT NULL UNIQUE,
    hypervisor_id   TEXT NOT NULL UNIQUE,
    service_id      TEXT NOT NULL UNIQUE,
    provider_id     TEXT NOT NULL,
    zone            TEXT NOT NULL,
    disabled        BOOLEAN NOT NULL,
    disabled_reason TEXT NOT NULL,
    forced_down     BOOLEAN NOT NULL,
    record          TEXT NOT NULL,            -- JSON of what the host said of itself
    seen_at         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);

CREATE TABLE compute_aggregates (
    id         BIGINT PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    metadata   TEXT NOT NULL,                 -- JSON object; availability_zone makes a zone
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE compute_aggregate_hosts (
    aggregate_id BIGINT NOT NULL REFERENCES compute_aggregates (id) ON DELETE CASCADE,
    host         TEXT NOT NULL,
    PRIMARY KEY (aggregate_id, host)
);

CREATE TABLE server_groups (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    policy     TEXT NOT NULL CHECK (policy IN ('affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity')),
    rules      TEXT NOT NULL,                 -- JSON object
    created_at BIGINT NOT NULL
);
CREATE INDEX server_groups_project ON server_groups (project_id, created_at, id);
CREATE TABLE server_group_members (
    group_id  TEXT NOT NULL REFERENCES server_groups (id) ON DELETE CASCADE,
    server_id TEXT NOT NULL,
    PRIMARY KEY (group_id, server_id)
);
CREATE INDEX server_group_members_server ON server_group_members (server_id);
