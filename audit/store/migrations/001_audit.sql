-- +goose Up

CREATE TABLE audit_chains (
    chain     TEXT PRIMARY KEY,
    node      TEXT NOT NULL,
    base_seq  BIGINT NOT NULL, -- the chain begins after this record
    base_hash TEXT NOT NULL,
    base_seal TEXT NOT NULL,
    head_seq  BIGINT NOT NULL, -- and ends with this one
    head_hash TEXT NOT NULL,
    head_seal TEXT NOT NULL
);

CREATE TABLE audit_events (
    chain TEXT NOT NULL,
    seq   BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    event TEXT NOT NULL,
    prev  TEXT NOT NULL,
    hash  TEXT NOT NULL,
    seal  TEXT NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_events_at ON audit_events (at, chain, seq);

-- +goose Down
DROP TABLE audit_events;
DROP TABLE audit_chains;
