-- +goose Up
-- What projects used is listed by project and server, deleted ones too.
CREATE INDEX servers_usage ON servers (project_id, id);
