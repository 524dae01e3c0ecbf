-- +goose Up

-- A domain is a project that is its own domain: is_domain, domain_id ''.
CREATE TABLE projects (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    domain_id   TEXT NOT NULL,
    parent_id   TEXT NOT NULL,
    is_domain   BOOLEAN NOT NULL,
    enabled     BOOLEAN NOT NULL,
    description TEXT NOT NULL,
    options     TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name),
    CHECK (is_domain = (domain_id = ''))
);
CREATE INDEX projects_parent ON projects (parent_id);

CREATE TABLE project_tags (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (project_id, tag)
);
CREATE INDEX project_tags_tag ON project_tags (tag);

CREATE TABLE users (
    id                  TEXT PRIMARY KEY,
    name                TEXT NOT NULL,
    domain_id           TEXT NOT NULL REFERENCES projects (id),
    enabled             BOOLEAN NOT NULL,
    default_project_id  TEXT NOT NULL,
    password_hash       TEXT NOT NULL,
    password_created_at BIGINT NOT NULL,
    password_expires_at BIGINT NOT NULL,
    options             TEXT NOT NULL,
    extra               TEXT NOT NULL,
    UNIQUE (domain_id, name)
);
CREATE INDEX users_default_project ON users (default_project_id);

CREATE TABLE user_groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    domain_id   TEXT NOT NULL REFERENCES projects (id),
    description TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE group_members (
    group_id TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_user ON group_members (user_id);

CREATE TABLE roles (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    domain_id   TEXT NOT NULL, -- '' for roles of the whole cloud
    description TEXT NOT NULL,
    options     TEXT NOT NULL,
    extra       TEXT NOT NULL,
    UNIQUE (domain_id, name)
);

CREATE TABLE implied_roles (
    prior_id   TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    implied_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    PRIMARY KEY (prior_id, implied_id)
);

CREATE TABLE assignments (
    actor_kind  TEXT NOT NULL CHECK (actor_kind IN ('user', 'group')),
    actor_id    TEXT NOT NULL,
    target_kind TEXT NOT NULL CHECK (target_kind IN ('project', 'domain', 'system')),
    target_id   TEXT NOT NULL,
    role_id     TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    inherited   BOOLEAN NOT NULL,
    PRIMARY KEY (actor_id, target_id, role_id, inherited, actor_kind, target_kind)
);
CREATE INDEX assignments_target ON assignments (target_id);
CREATE INDEX assignments_role ON assignments (role_id);

CREATE TABLE regions (
    id          TEXT PRIMARY KEY,
    parent_id   TEXT NOT NULL,
    description TEXT NOT NULL,
    extra       TEXT NOT NULL
);

CREATE TABLE identity_services (
    id          TEXT PRIMARY KEY,
    type        TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled     BOOLEAN NOT NULL,
    extra       TEXT NOT NULL
);

CREATE TABLE identity_endpoints (
    id         TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES identity_services (id) ON DELETE CASCADE,
    region_id  TEXT NOT NULL,
    interface  TEXT NOT NULL CHECK (interface IN ('public', 'internal', 'admin')),
    url        TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL,
    extra      TEXT NOT NULL
);
CREATE INDEX identity_endpoints_service ON identity_endpoints (service_id);
CREATE INDEX identity_endpoints_region ON identity_endpoints (region_id);

CREATE TABLE application_credentials (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    user_id      TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    description  TEXT NOT NULL,
    secret_hash  TEXT NOT NULL,
    unrestricted BOOLEAN NOT NULL,
    expires_at   BIGINT NOT NULL, -- 0: never
    role_ids     TEXT NOT NULL,
    rule_ids     TEXT NOT NULL,   -- null: no restriction by access rules
    system       TEXT NOT NULL,
    UNIQUE (user_id, name)
);
CREATE INDEX application_credentials_project ON application_credentials (project_id);

CREATE TABLE access_rules (
    id      TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    service TEXT NOT NULL,
    method  TEXT NOT NULL,
    path    TEXT NOT NULL,
    UNIQUE (user_id, service, method, path)
);

CREATE TABLE identity_credentials (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    project_id TEXT NOT NULL,
    type       TEXT NOT NULL,
    blob       TEXT NOT NULL, -- encrypted with the credential keys
    extra      TEXT NOT NULL
);
CREATE INDEX identity_credentials_user ON identity_credentials (user_id);
CREATE INDEX identity_credentials_project ON identity_credentials (project_id);

CREATE TABLE identity_policies (
    id    TEXT PRIMARY KEY,
    type  TEXT NOT NULL,
    blob  TEXT NOT NULL,
    extra TEXT NOT NULL
);

CREATE TABLE registered_limits (
    id            TEXT PRIMARY KEY,
    service_id    TEXT NOT NULL,
    region_id     TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    default_limit BIGINT NOT NULL,
    description   TEXT NOT NULL,
    UNIQUE (service_id, region_id, resource_name)
);

CREATE TABLE identity_limits (
    id             TEXT PRIMARY KEY,
    project_id     TEXT NOT NULL,
    domain_id      TEXT NOT NULL,
    service_id     TEXT NOT NULL,
    region_id      TEXT NOT NULL,
    resource_name  TEXT NOT NULL,
    resource_limit BIGINT NOT NULL,
    description    TEXT NOT NULL,
    UNIQUE (project_id, domain_id, service_id, region_id, resource_name)
);

-- The revision counts every change that may take something away from a token.
CREATE TABLE identity_revision (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    n   BIGINT NOT NULL
);
INSERT INTO identity_revision (one, n) VALUES (1, 1);

-- What changed at a revision: other control processes drop it from their caches.
CREATE TABLE identity_changes (
    n    BIGINT PRIMARY KEY,
    keys TEXT NOT NULL
);

-- Tokens that were made at an older revision than the key's are dead.
CREATE TABLE revocations (
    key        TEXT PRIMARY KEY,
    revision   BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL -- no token that it could meet lives longer
);
CREATE INDEX revocations_expires ON revocations (expires_at);

-- +goose Down
DROP TABLE revocations;
DROP TABLE identity_changes;
DROP TABLE identity_revision;
DROP TABLE identity_limits;
DROP TABLE registered_limits;
DROP TABLE identity_policies;
DROP TABLE identity_credentials;
DROP TABLE access_rules;
DROP TABLE application_credentials;
DROP TABLE identity_endpoints;
DROP TABLE identity_services;
DROP TABLE regions;
DROP TABLE assignments;
DROP TABLE implied_roles;
DROP TABLE roles;
DROP TABLE group_members;
DROP TABLE user_groups;
DROP TABLE users;
DROP TABLE project_tags;
DROP TABLE projects;
