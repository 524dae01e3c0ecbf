-- +goose Up
CREATE TABLE compute_user_quotas (
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    resource   TEXT NOT NULL,
    value      BIGINT NOT NULL,               -- -1: no limit but the project's
    PRIMARY KEY (project_id, user_id, resource)
);
