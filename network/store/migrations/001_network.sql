-- +goose Up
CREATE TABLE networks (
    id                        TEXT PRIMARY KEY,
    project_id                TEXT NOT NULL,
    name                      TEXT NOT NULL,
    description               TEXT NOT NULL,
    admin_state_up            BOOLEAN NOT NULL,
    status                    TEXT NOT NULL CHECK (status IN ('ACTIVE', 'DOWN', 'BUILD', 'ERROR')),
    shared                    BOOLEAN NOT NULL,
    router_external           BOOLEAN NOT NULL,
    mtu                       BIGINT NOT NULL CHECK (mtu >= 68),
    port_security_enabled     BOOLEAN NOT NULL,
    dns_domain                TEXT NOT NULL,
    is_default                BOOLEAN NOT NULL,
    provider_network_type     TEXT NOT NULL CHECK (provider_network_type IN ('vxlan', 'flat', 'local')),
    provider_physical_network TEXT NOT NULL,
    provider_segmentation_id  BIGINT NOT NULL,
    availability_zone_hints   TEXT NOT NULL,
    tags                      TEXT NOT NULL,
    revision_number           BIGINT NOT NULL,
    created_at                BIGINT NOT NULL,
    updated_at                BIGINT NOT NULL
);
CREATE INDEX networks_project ON networks (project_id, id);
CREATE INDEX networks_name ON networks (name, id);
CREATE INDEX networks_shared ON networks (shared) WHERE shared;
CREATE INDEX networks_external ON networks (router_external) WHERE router_external;
CREATE UNIQUE INDEX networks_segment ON networks (provider_segmentation_id) WHERE provider_network_type = 'vxlan';
CREATE UNIQUE INDEX networks_physical ON networks (provider_physical_network) WHERE provider_network_type = 'flat';

CREATE TABLE subnets (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL,
    network_id        TEXT NOT NULL REFERENCES networks (id),
    name              TEXT NOT NULL,
    description       TEXT NOT NULL,
    ip_version        BIGINT NOT NULL CHECK (ip_version IN (4, 6)),
    cidr              TEXT NOT NULL,
    gateway_ip        TEXT NOT NULL,
    allocation_pools  TEXT NOT NULL,
    dns_nameservers   TEXT NOT NULL,
    host_routes       TEXT NOT NULL,
    enable_dhcp       BOOLEAN NOT NULL,
    ipv6_ra_mode      TEXT NOT NULL CHECK (ipv6_ra_mode IN ('', 'slaac', 'dhcpv6-stateful', 'dhcpv6-stateless')),
    ipv6_address_mode TEXT NOT NULL CHECK (ipv6_address_mode IN ('', 'slaac', 'dhcpv6-stateful', 'dhcpv6-stateless')),
    subnetpool_id     TEXT NOT NULL,
    service_types     TEXT NOT NULL,
    tags              TEXT NOT NULL,
    revision_number   BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);
CREATE INDEX subnets_project ON subnets (project_id, id);
CREATE INDEX subnets_network ON subnets (network_id, id);
CREATE INDEX subnets_pool ON subnets (subnetpool_id) WHERE subnetpool_id <> '';

CREATE TABLE ports (
    id                    TEXT PRIMARY KEY,
    project_id            TEXT NOT NULL,
    network_id            TEXT NOT NULL REFERENCES networks (id),
    name                  TEXT NOT NULL,
    description           TEXT NOT NULL,
    admin_state_up        BOOLEAN NOT NULL,
    status                TEXT NOT NULL CHECK (status IN ('ACTIVE', 'DOWN', 'BUILD', 'ERROR', 'N/A')),
    mac_address           TEXT NOT NULL,
    fixed_ips             TEXT NOT NULL,
    device_id             TEXT NOT NULL,
    device_owner          TEXT NOT NULL,
    security_groups       TEXT NOT NULL,
    allowed_address_pairs TEXT NOT NULL,
    extra_dhcp_opts       TEXT NOT NULL,
    port_security_enabled BOOLEAN NOT NULL,
    binding_host_id       TEXT NOT NULL,
    binding_vnic_type     TEXT NOT NULL,
    binding_profile       TEXT NOT NULL,
    dns_name              TEXT NOT NULL,
    ip_allocation         TEXT NOT NULL,
    tags                  TEXT NOT NULL,
    hostname              TEXT NOT NULL,
    made_by_compute       BOOLEAN NOT NULL,
    nic_index             BIGINT NOT NULL,
    device_tag            TEXT NOT NULL,
    revision_number       BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL
);
CREATE INDEX ports_project ON ports (project_id, id);
CREATE INDEX ports_device ON ports (device_id, device_owner);
CREATE INDEX ports_owner ON ports (network_id, device_owner);
CREATE INDEX ports_host ON ports (binding_host_id) WHERE binding_host_id <> '';
CREATE UNIQUE INDEX ports_mac ON ports (network_id, mac_address);

-- Where every address is: what ports show is in ports.fixed_ips, written with it.
CREATE TABLE port_addresses (
    subnet_id  TEXT NOT NULL REFERENCES subnets (id),
    address    TEXT NOT NULL,
    port_id    TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    network_id TEXT NOT NULL,
    PRIMARY KEY (subnet_id, address)
);
CREATE INDEX port_addresses_port ON port_addresses (port_id);
CREATE INDEX port_addresses_network ON port_addresses (network_id, address);

-- Ranges nobody has, by pool: a subnet's id, or the kind of a segment. Bounds are
-- numbers in hexadecimal of one width a pool, so that text compares as they do.
CREATE TABLE free_ranges (
    pool       TEXT NOT NULL,
    first_free TEXT NOT NULL,
    last_free  TEXT NOT NULL,
    PRIMARY KEY (pool, first_free)
);
CREATE UNIQUE INDEX free_ranges_last ON free_ranges (pool, last_free);

CREATE TABLE security_groups (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    stateful        BOOLEAN NOT NULL,
    is_default      BOOLEAN NOT NULL,
    tags            TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX security_groups_project ON security_groups (project_id, name);
CREATE UNIQUE INDEX security_groups_default ON security_groups (project_id) WHERE is_default;

CREATE TABLE security_group_rules (
    id                      TEXT PRIMARY KEY,
    project_id              TEXT NOT NULL,
    security_group_id       TEXT NOT NULL REFERENCES security_groups (id) ON DELETE CASCADE,
    direction               TEXT NOT NULL CHECK (direction IN ('ingress', 'egress')),
    ethertype               TEXT NOT NULL CHECK (ethertype IN ('IPv4', 'IPv6')),
    protocol                TEXT NOT NULL,
    port_range_min          BIGINT NOT NULL,
    port_range_max          BIGINT NOT NULL,
    remote_ip_prefix        TEXT NOT NULL,
    normalized_cidr         TEXT NOT NULL,
    remote_group_id         TEXT NOT NULL,
    remote_address_group_id TEXT NOT NULL,
    description             TEXT NOT NULL,
    sameness                TEXT NOT NULL,
    revision_number         BIGINT NOT NULL,
    created_at              BIGINT NOT NULL,
    updated_at              BIGINT NOT NULL
);
CREATE UNIQUE INDEX security_group_rules_same ON security_group_rules (security_group_id, sameness);
CREATE INDEX security_group_rules_project ON security_group_rules (project_id, id);
CREATE INDEX security_group_rules_remote ON security_group_rules (remote_group_id, security_group_id) WHERE remote_group_id <> '';
CREATE INDEX security_group_rules_addresses ON security_group_rules (remote_address_group_id) WHERE remote_address_group_id <> '';

CREATE TABLE port_groups (
    port_id  TEXT NOT NULL REFERENCES ports (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES security_groups (id),
    PRIMARY KEY (port_id, group_id)
);
CREATE INDEX port_groups_group ON port_groups (group_id, port_id);

CREATE TABLE routers (
    id                      TEXT PRIMARY KEY,
    project_id              TEXT NOT NULL,
    name                    TEXT NOT NULL,
    description             TEXT NOT NULL,
    admin_state_up          BOOLEAN NOT NULL,
    status                  TEXT NOT NULL CHECK (status IN ('ACTIVE', 'ALLOCATING', 'ERROR')),
    gw_port_id              TEXT NOT NULL,
    gw_network_id           TEXT NOT NULL,
    enable_snat             BOOLEAN NOT NULL,
    routes                  TEXT NOT NULL,
    host                    TEXT NOT NULL,
    availability_zone_hints TEXT NOT NULL,
    tags                    TEXT NOT NULL,
    revision_number         BIGINT NOT NULL,
    created_at              BIGINT NOT NULL,
    updated_at              BIGINT NOT NULL
);
CREATE INDEX routers_project ON routers (project_id, id);
CREATE INDEX routers_host ON routers (host);
CREATE INDEX routers_gateway ON routers (gw_network_id) WHERE gw_network_id <> '';

CREATE TABLE floatingips (
    id                  TEXT PRIMARY KEY,
    project_id          TEXT NOT NULL,
    description         TEXT NOT NULL,
    floating_ip_address TEXT NOT NULL,
    floating_network_id TEXT NOT NULL REFERENCES networks (id),
    floating_port_id    TEXT NOT NULL,
    router_id           TEXT NOT NULL,
    port_id             TEXT NOT NULL,
    fixed_ip_address    TEXT NOT NULL,
    status              TEXT NOT NULL CHECK (status IN ('ACTIVE', 'DOWN', 'ERROR')),
    dns_name            TEXT NOT NULL,
    dns_domain          TEXT NOT NULL,
    tags                TEXT NOT NULL,
    revision_number     BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL
);
CREATE INDEX floatingips_project ON floatingips (project_id, id);
CREATE INDEX floatingips_port ON floatingips (port_id) WHERE port_id <> '';
CREATE INDEX floatingips_router ON floatingips (router_id) WHERE router_id <> '';
CREATE UNIQUE INDEX floatingips_fixed ON floatingips (floating_network_id, port_id, fixed_ip_address) WHERE port_id <> '';
CREATE UNIQUE INDEX floatingips_address ON floatingips (floating_network_id, floating_ip_address);

CREATE TABLE port_forwardings (
    id                  TEXT PRIMARY KEY,
    floatingip_id       TEXT NOT NULL REFERENCES floatingips (id) ON DELETE CASCADE,
    description         TEXT NOT NULL,
    external_port       BIGINT NOT NULL CHECK (external_port BETWEEN 1 AND 65535),
    internal_port       BIGINT NOT NULL CHECK (internal_port BETWEEN 1 AND 65535),
    internal_ip_address TEXT NOT NULL,
    protocol            TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
    internal_port_id    TEXT NOT NULL,
    revision_number     BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    updated_at          BIGINT NOT NULL
);
CREATE UNIQUE INDEX port_forwardings_external ON port_forwardings (floatingip_id, protocol, external_port);
CREATE INDEX port_forwardings_internal ON port_forwardings (internal_port_id);

CREATE TABLE subnetpools (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL,
    name              TEXT NOT NULL,
    description       TEXT NOT NULL,
    prefixes          TEXT NOT NULL,
    default_quota     BIGINT NOT NULL,
    ip_version        BIGINT NOT NULL CHECK (ip_version IN (4, 6)),
    default_prefixlen BIGINT NOT NULL,
    min_prefixlen     BIGINT NOT NULL,
    max_prefixlen     BIGINT NOT NULL,
    is_default        BOOLEAN NOT NULL,
    shared            BOOLEAN NOT NULL,
    address_scope_id  TEXT NOT NULL,
    tags              TEXT NOT NULL,
    revision_number   BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);
CREATE INDEX subnetpools_project ON subnetpools (project_id, id);

CREATE TABLE address_scopes (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    shared          BOOLEAN NOT NULL,
    ip_version      BIGINT NOT NULL CHECK (ip_version IN (4, 6)),
    revision_number BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX address_scopes_project ON address_scopes (project_id, id);

CREATE TABLE address_groups (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    addresses       TEXT NOT NULL,
    revision_number BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE INDEX address_groups_project ON address_groups (project_id, id);

CREATE TABLE rbac_policies (
    id              TEXT PRIMARY KEY,
    project_id      TEXT NOT NULL,
    object_type     TEXT NOT NULL,
    object_id       TEXT NOT NULL,
    target_tenant   TEXT NOT NULL,
    action          TEXT NOT NULL CHECK (action IN ('access_as_shared', 'access_as_external')),
    revision_number BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX rbac_policies_once ON rbac_policies (object_id, target_tenant, action);
CREATE INDEX rbac_policies_project ON rbac_policies (project_id, id);
CREATE INDEX rbac_policies_target ON rbac_policies (target_tenant, object_type);

CREATE TABLE network_tags (
    resource_id TEXT NOT NULL,
    tag         TEXT NOT NULL,
    PRIMARY KEY (resource_id, tag)
);
CREATE INDEX network_tags_tag ON network_tags (tag, resource_id);

CREATE TABLE network_quotas (
    project_id TEXT NOT NULL,
    resource   TEXT NOT NULL,
    hard_limit BIGINT NOT NULL CHECK (hard_limit >= -1),
    PRIMARY KEY (project_id, resource)
);

CREATE TABLE network_hosts (
    host         TEXT PRIMARY KEY,
    id           TEXT NOT NULL,
    zone         TEXT NOT NULL,
    physical     TEXT NOT NULL,
    admin_up     BOOLEAN NOT NULL,
    description  TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    started_at   BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL
);

-- VXLAN segmentation ids.
INSERT INTO free_ranges (pool, first_free, last_free) VALUES ('vxlan', '00000001', '00ffffff');
