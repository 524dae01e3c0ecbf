-- +goose Up

-- The last step of time whose passcode was used: no passcode is taken twice.
CREATE TABLE totp_uses (
    credential_id TEXT PRIMARY KEY REFERENCES identity_credentials (id) ON DELETE CASCADE,
    step          BIGINT NOT NULL
);

-- Programs that users may let act for them (OAuth 1.0a).
CREATE TABLE oauth_consumers (
    id          TEXT PRIMARY KEY,
    description TEXT NOT NULL,
    secret      TEXT NOT NULL, -- encrypted with the credential keys
    extra       TEXT NOT NULL
);

-- What a program asks a user for.
CREATE TABLE oauth_requests (
    id            TEXT PRIMARY KEY,
    consumer_id   TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    secret        TEXT NOT NULL,   -- encrypted with the credential keys
    project_id    TEXT NOT NULL,
    verifier      TEXT NOT NULL,   -- '' until a user agrees
    user_id       TEXT NOT NULL,   -- who agreed
    role_ids      TEXT NOT NULL,
    expires_at    BIGINT NOT NULL
);
CREATE INDEX oauth_requests_consumer ON oauth_requests (consumer_id);
CREATE INDEX oauth_requests_expires ON oauth_requests (expires_at);

-- What a user agreed to.
CREATE TABLE oauth_access_tokens (
    id          TEXT PRIMARY KEY,
    consumer_id TEXT NOT NULL REFERENCES oauth_consumers (id) ON DELETE CASCADE,
    secret      TEXT NOT NULL, -- encrypted with the credential keys
    user_id     TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    role_ids    TEXT NOT NULL,
    expires_at  BIGINT NOT NULL -- 0: never
);
CREATE INDEX oauth_access_tokens_consumer ON oauth_access_tokens (consumer_id);
CREATE INDEX oauth_access_tokens_user ON oauth_access_tokens (user_id);
CREATE INDEX oauth_access_tokens_project ON oauth_access_tokens (project_id);

-- Every request is signed with a number that is used once.
CREATE TABLE oauth_nonces (
    nonce      TEXT PRIMARY KEY, -- digest of who, when and which
    expires_at BIGINT NOT NULL
);
CREATE INDEX oauth_nonces_expires ON oauth_nonces (expires_at);

-- +goose Down
DROP TABLE oauth_nonces;
DROP TABLE oauth_access_tokens;
DROP TABLE oauth_requests;
DROP TABLE oauth_consumers;
DROP TABLE totp_uses;
