-- +goose Up
CREATE TABLE sagas (
    id         TEXT PRIMARY KEY,
    seq        BIGINT NOT NULL,              -- order of acceptance, for sagas of one subject
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL,                -- id of the resource it works on
    project_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    state      TEXT NOT NULL,                -- JSON; what the steps have decided so far
    step       INTEGER NOT NULL,             -- the next to do, or the next to undo
    status     TEXT NOT NULL CHECK (status IN ('running', 'undoing', 'done', 'failed')),
    told       BOOLEAN NOT NULL,             -- the failure has been written to the subject
    cancel     BOOLEAN NOT NULL,
    fault      TEXT NOT NULL,                -- JSON of what went wrong; empty while nothing did
    owner      TEXT NOT NULL,
    deadline   BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sagas_seq ON sagas (seq);
CREATE INDEX sagas_open ON sagas (seq) WHERE status IN ('running', 'undoing');
CREATE INDEX sagas_subject ON sagas (subject, seq);
CREATE TABLE saga_log (
    saga_id   TEXT NOT NULL REFERENCES sagas (id) ON DELETE CASCADE,
    seq       BIGINT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('do', 'undo', 'span')),
    number    INTEGER NOT NULL,              -- of a span in its trace; 0 for steps
    name      TEXT NOT NULL,
    component TEXT NOT NULL,
    start_at  BIGINT NOT NULL,
    took      BIGINT NOT NULL,               -- microseconds
    outcome   TEXT NOT NULL,
    detail    TEXT NOT NULL,                 -- JSON
    PRIMARY KEY (saga_id, seq)
);
CREATE TABLE saga_owners (
    owner TEXT PRIMARY KEY,
    lease BIGINT NOT NULL
);
