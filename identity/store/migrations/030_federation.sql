-- +goose Up

-- Where a user is known from: '' here, 'linked' here and at identity providers,
-- 'federated' at identity providers only, 'ldap' in its domain's directory,
-- 'gone' no longer in that directory. The names of the last three are not
-- reserved: what is kept of them ends with a unit separator and the id.
ALTER TABLE users ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE user_groups ADD COLUMN source TEXT NOT NULL DEFAULT '';

CREATE TABLE identity_providers (
    id                TEXT PRIMARY KEY,
    domain_id         TEXT NOT NULL REFERENCES projects (id),
    enabled           BOOLEAN NOT NULL,
    description       TEXT NOT NULL,
    authorization_ttl BIGINT NOT NULL CHECK (authorization_ttl >= -1) -- minutes; -1: the cloud's default
);
CREATE INDEX identity_providers_domain ON identity_providers (domain_id);

CREATE TABLE identity_provider_remotes (
    remote_id TEXT PRIMARY KEY,
    idp_id    TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE
);
CREATE INDEX identity_provider_remotes_idp ON identity_provider_remotes (idp_id);

CREATE TABLE federation_mappings (
    id             TEXT PRIMARY KEY,
    schema_version TEXT NOT NULL,
    rules          TEXT NOT NULL
);

-- A protocol is known by provider and id; ref is both with a unit separator.
CREATE TABLE federation_protocols (
    ref                 TEXT PRIMARY KEY,
    idp_id              TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    id                  TEXT NOT NULL,
    mapping_id          TEXT NOT NULL,
    remote_id_attribute TEXT NOT NULL,
    UNIQUE (idp_id, id)
);

CREATE TABLE service_providers (
    id                 TEXT PRIMARY KEY,
    enabled            BOOLEAN NOT NULL,
    description        TEXT NOT NULL,
    auth_url           TEXT NOT NULL,
    sp_url             TEXT NOT NULL,
    relay_state_prefix TEXT NOT NULL
);

-- Whom the providers' users are here.
CREATE TABLE federated_users (
    ref         TEXT PRIMARY KEY, -- provider, protocol and unique id, with unit separators
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    idp_id      TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    protocol_id TEXT NOT NULL,
    unique_id   TEXT NOT NULL
);
CREATE INDEX federated_users_user ON federated_users (user_id);
CREATE INDEX federated_users_idp ON federated_users (idp_id);

-- Groups that a provider vouched for, until when.
CREATE TABLE federated_members (
    ref        TEXT PRIMARY KEY, -- user, group and provider, with unit separators
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    group_id   TEXT NOT NULL REFERENCES user_groups (id) ON DELETE CASCADE,
    idp_id     TEXT NOT NULL REFERENCES identity_providers (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL
);
CREATE INDEX federated_members_user ON federated_members (user_id);
CREATE INDEX federated_members_group ON federated_members (group_id);

-- Ids here of what stands in directories.
CREATE TABLE directory_ids (
    public_id TEXT PRIMARY KEY,
    domain_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    local_id  TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('user', 'group')),
    seen_at   BIGINT NOT NULL,
    UNIQUE (domain_id, local_id, kind)
);

-- +goose Down
DROP TABLE directory_ids;
DROP TABLE federated_members;
DROP TABLE federated_users;
DROP TABLE service_providers;
DROP TABLE federation_protocols;
DROP TABLE federation_mappings;
DROP TABLE identity_provider_remotes;
DROP TABLE identity_providers;
ALTER TABLE user_groups DROP COLUMN source;
ALTER TABLE users DROP COLUMN source;
