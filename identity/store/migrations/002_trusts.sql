-- +goose Up

-- A user's roles in a project, lent to another user. One without a project lends
-- only the name.
CREATE TABLE trusts (
    id                 TEXT PRIMARY KEY,
    trustor_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    trustee_id         TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id         TEXT NOT NULL, -- '': none
    impersonation      BOOLEAN NOT NULL,
    expires_at         BIGINT NOT NULL, -- 0: never
    remaining_uses     BIGINT NOT NULL CHECK (remaining_uses >= -1), -- -1: any number
    redelegation_count BIGINT NOT NULL CHECK (redelegation_count >= 0),
    parent_id          TEXT NOT NULL, -- the trust that it was made under, or ''
    role_ids           TEXT NOT NULL,
    extra              TEXT NOT NULL
);
CREATE INDEX trusts_trustor ON trusts (trustor_id);
CREATE INDEX trusts_trustee ON trusts (trustee_id);
CREATE INDEX trusts_project ON trusts (project_id);
CREATE INDEX trusts_parent ON trusts (parent_id);

-- +goose Down
DROP TABLE trusts;
