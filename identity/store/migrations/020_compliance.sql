-- +goose Up

-- What is known of a user's logins. Users whose row is missing never failed.
CREATE TABLE identity_logins (
    user_id      TEXT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    self_service BOOLEAN NOT NULL, -- the user chose the present password, not an administrator
    active_at    BIGINT NOT NULL,  -- 0: not known
    failures     BIGINT NOT NULL CHECK (failures >= 0),
    failed_at    BIGINT NOT NULL
);

-- Hashes of passwords that a user had; n counts up.
CREATE TABLE identity_former_passwords (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    n       BIGINT NOT NULL,
    hash    TEXT NOT NULL,
    PRIMARY KEY (user_id, n)
);

-- +goose Down
DROP TABLE identity_former_passwords;
DROP TABLE identity_logins;
