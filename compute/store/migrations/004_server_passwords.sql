-- +goose Up
CREATE TABLE server_passwords (
    server_id TEXT PRIMARY KEY REFERENCES servers (id) ON DELETE CASCADE,
    password  TEXT NOT NULL              -- encrypted by the guest with the user's key
);
