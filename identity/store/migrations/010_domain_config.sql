-- +goose Up

-- A domain's own configuration: groups of options as JSON, encrypted with the
-- credential keys, since passwords of directories stand in it.
CREATE TABLE domain_configs (
    domain_id TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    sealed    TEXT NOT NULL
);

-- +goose Down
DROP TABLE domain_configs;
