-- +goose Up

-- Endpoints that are alike, by attributes that they must have.
CREATE TABLE endpoint_groups (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    filters     TEXT NOT NULL
);

-- A project with any row here or below sees these endpoints only.
CREATE TABLE project_endpoints (
    project_id  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL REFERENCES identity_endpoints (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_id)
);
CREATE INDEX project_endpoints_endpoint ON project_endpoints (endpoint_id);

CREATE TABLE project_endpoint_groups (
    project_id        TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    endpoint_group_id TEXT NOT NULL REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    PRIMARY KEY (project_id, endpoint_group_id)
);
CREATE INDEX project_endpoint_groups_group ON project_endpoint_groups (endpoint_group_id);

-- Which policy document an endpoint, a service, or a service in a region has; ''
-- where the part says nothing.
CREATE TABLE policy_associations (
    policy_id   TEXT NOT NULL REFERENCES identity_policies (id) ON DELETE CASCADE,
    endpoint_id TEXT NOT NULL,
    service_id  TEXT NOT NULL,
    region_id   TEXT NOT NULL,
    PRIMARY KEY (endpoint_id, service_id, region_id),
    CHECK ((endpoint_id = '') <> (service_id = ''))
);
CREATE INDEX policy_associations_policy ON policy_associations (policy_id);
CREATE INDEX policy_associations_service ON policy_associations (service_id);
CREATE INDEX policy_associations_region ON policy_associations (region_id);

-- +goose Down
DROP TABLE policy_associations;
DROP TABLE project_endpoint_groups;
DROP TABLE project_endpoints;
DROP TABLE endpoint_groups;
