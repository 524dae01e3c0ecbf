// Package config is what an operator can set, and where each value came from:
// built-in default, file (TOML), environment (ALTOSTACK_…) or flag, the later
// winning. Every key stands once in [Keys]; there is no other configuration.
package config

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/toml/v2"
)

// Key is one setting.
type Key struct {
	Name    string // in the file; ALTOSTACK_NAME in the environment, --name as a flag
	Default string
	Meaning string
	Secret  bool // shown as ***
	check   func(string) error
}

// Keys are all settings, in the order in which they are shown.
var Keys = []Key{
	{Name: "listen", Default: "127.0.0.1:9080", Meaning: "address and port of all APIs"},
	{Name: "public_url", Default: "", Meaning: "what clients reach the APIs at, behind a proxy; empty: http://LISTEN"},
	{Name: "region", Default: "RegionOne", Meaning: "name of the region in the catalog"},
	{Name: "hypervisor", Default: "auto", Meaning: "auto, qemu or fake", check: oneOf("auto", "qemu", "fake")},
	{Name: "fake_hosts", Default: "1", Meaning: "hosts to pretend to have, with the fake hypervisor", check: whole(1, 10000)},
	{Name: "accel", Default: "auto", Meaning: "auto, kvm or tcg; auto uses KVM only where it is known not to hang guests", check: oneOf("auto", "kvm", "tcg")},
	{Name: "database", Default: "", Meaning: "postgres://… ; empty: SQLite in the data directory", Secret: true},
	{Name: "host_name", Default: "", Meaning: "name of this hypervisor host; empty: the machine's"},
	{Name: "cpu_ratio", Default: "16", Meaning: "virtual CPUs promised per real one", check: ratio},
	{Name: "ram_ratio", Default: "1.5", Meaning: "memory promised per real memory", check: ratio},
	{Name: "disk_ratio", Default: "1", Meaning: "disk promised per real disk", check: ratio},
	{Name: "reserved_memory_mib", Default: "512", Meaning: "memory the host keeps for itself, MiB", check: whole(0, 1<<30)},
	{Name: "external_cidr", Default: "", Meaning: "range of the external network 'public'; empty: a free one of 172.24.0.0/14 is taken at first start"},
	{Name: "masquerade", Default: "true", Meaning: "let guests reach what this machine reaches, through its address", check: boolean},
	{Name: "token_provider", Default: "fernet", Meaning: "form of tokens: fernet (encrypted) or jws (signed with ES256, readable by anybody)", check: oneOf("fernet", "jws")},
	{Name: "token_late", Default: "48h", Meaning: "how long after its end a token still holds for services that finish what its user began; 0s: not at all", check: span},
	{Name: "token_ttl", Default: "1h", Meaning: "life of a token", check: duration},
	{Name: "allow_rescope_scoped_token", Default: "true", Meaning: "let a scoped token be exchanged for one of another scope", check: boolean},
	{Name: "totp_included_previous_windows", Default: "1", Meaning: "steps of 30 s before the present one whose one-time passcode is still taken", check: whole(0, 10)},
	{Name: "password_hash_algorithm", Default: "bcrypt", Meaning: "of new password hashes: bcrypt, bcrypt_sha256, scrypt, pbkdf2_sha512 or argon2id; others are rehashed at the next login", check: oneOf("bcrypt", "bcrypt_sha256", "scrypt", "pbkdf2_sha512", "argon2id")},
	{Name: "password_cost", Default: "0", Meaning: "cost of new password hashes; 0: the algorithm's usual one, bcrypt 12, scrypt 16, pbkdf2_sha512 60000, argon2id 3", check: whole(0, 10_000_000)},
	{Name: "password_argon2_mib", Default: "64", Meaning: "memory of one argon2id hash, MiB", check: whole(1, 4096)},
	{Name: "password_hash_memory_mib", Default: "256", Meaning: "memory of all password hashes that are computed at once, MiB", check: whole(1, 65536)},
	{Name: "password_hash_queue", Default: "256", Meaning: "logins that may wait for a core to hash on; more are answered 503 at once", check: whole(1, 100000)},
	{Name: "max_password_length", Default: "4096", Meaning: "bytes of a password that count", check: whole(1, 4096)},
	{Name: "strict_password_check", Default: "false", Meaning: "refuse passwords that are longer than that, or than bcrypt's 72 bytes", check: boolean},
	{Name: "lockout_failure_attempts", Default: "0", Meaning: "failed logins that lock an account; 0: never", check: whole(0, 1000)},
	{Name: "lockout_duration", Default: "30m", Meaning: "time for which it is locked; 0s: until an administrator updates the user", check: span},
	{Name: "disable_user_account_days_inactive", Default: "0", Meaning: "days without a login after which a user counts as disabled; 0: never", check: whole(0, 36500)},
	{Name: "password_expires_days", Default: "0", Meaning: "life of a password in days; 0: for ever", check: whole(0, 36500)},
	{Name: "unique_last_password_count", Default: "0", Meaning: "passwords, the present one included, that a new one must differ from", check: whole(0, 100)},
	{Name: "minimum_password_age", Default: "0", Meaning: "days before users may change a password that they chose", check: whole(0, 36500)},
	{Name: "password_regex", Default: "", Meaning: "what a password must match; conditions (?=…) and (?!…) may stand at its start"},
	{Name: "password_regex_description", Default: "", Meaning: "that in words, for who chose one that does not match"},
	{Name: "change_password_upon_first_use", Default: "false", Meaning: "a password that an administrator set must be changed before it gives a token", check: boolean},
	{Name: "auth_failures_per_address", Default: "120", Meaning: "failed authentications per minute from one address before it is answered 429; 0: no limit", check: whole(0, 1_000_000)},
	{Name: "auth_failures_per_account", Default: "30", Meaning: "failed authentications per minute for one account before it is answered 429; 0: no limit", check: whole(0, 1_000_000)},
	{Name: "trusted_proxies", Default: "", Meaning: "addresses or networks of proxies, with commas, whose X-Forwarded-For says who calls", check: networks},
	{Name: "audit_retention", Default: "2160h", Meaning: "time for which audit events are kept; 0s: for ever", check: span},
	{Name: "quota_driver", Default: "service", Meaning: "service: each service keeps its own quotas; unified_limits: the identity service's limits are the quotas of compute, block storage, image and network", check: oneOf("service", "unified_limits")},
	{Name: "limit_model", Default: "flat", Meaning: "how limits of the identity service are checked: flat, or strict_two_level: no project above its domain", check: oneOf("flat", "strict_two_level")},
	{Name: "trusted_dashboards", Default: "", Meaning: "addresses, with commas, to which a login by browser may take a token: https://dashboard.example/auth/websso/"},
	{Name: "authorization_ttl", Default: "0", Meaning: "minutes for which groups that an identity provider vouches for hold beyond the token, where the provider sets nothing", check: whole(0, 525600)},
	{Name: "boot_deadline", Default: "5m", Meaning: "time after which a server that is not ACTIVE is undone and put to ERROR", check: duration},
	{Name: "demo", Default: "true", Meaning: "make the demo project with its networks, flavors and image at first start", check: boolean},
	{Name: "image_stores", Default: "file", Meaning: "where images are kept, with commas, the first one by default: file, NAME=file:/directory, NAME=objects (the cloud's own object store), NAME=s3://bucket@host:port/prefix, NAME=s3+http://…"},
	{Name: "image_s3_access_key", Default: "", Meaning: "access key of the S3 stores of images"},
	{Name: "image_s3_secret_key", Default: "", Meaning: "secret key of the S3 stores of images", Secret: true},
	{Name: "image_hash", Default: "sha512", Meaning: "algorithm of new images' os_hash_value: sha512 or sha256", check: oneOf("sha512", "sha256")},
	{Name: "image_locations", Default: "false", Meaning: "show where images' data is to those whom the rules allow, and let them set it", check: boolean},
	{Name: "image_web_ports", Default: "80,443", Meaning: "ports that web-download may fetch images from; empty: no web-download"},
	{Name: "image_web_allow", Default: "", Meaning: "networks, with commas, that web-download may reach though they are not public"},
	{Name: "image_convert_to", Default: "", Meaning: "disk format to which imported images are converted; empty: none", check: oneOf("", "raw", "qcow2")},
	{Name: "image_convert_user", Default: "nobody", Meaning: "whose rights the converter has, where this process is root's"},
	{Name: "image_import_deadline", Default: "4h", Meaning: "time after which an import is given up", check: duration},
	{Name: "object_policies", Default: "0:Policy-0", Meaning: "storage policies of objects, with commas, the first one by default: INDEX:NAME, INDEX:NAME=file:/directory, INDEX:NAME=s3://bucket@host:port/prefix, INDEX:NAME=s3+http://…"},
	{Name: "object_policies_deprecated", Default: "", Meaning: "names of those that take no new containers, with commas"},
	{Name: "object_s3_access_key", Default: "", Meaning: "access key of the S3 stores of objects"},
	{Name: "object_s3_secret_key", Default: "", Meaning: "secret key of the S3 stores of objects", Secret: true},
	{Name: "object_s3_region", Default: "us-east-1", Meaning: "region of the S3 stores of objects"},
	{Name: "object_scrub_every", Default: "24h", Meaning: "time between two readings of all objects that compare them with their checksums", check: duration},
	{Name: "object_container_changes", Default: "0", Meaning: "containers of one account that may be created and deleted in a second, counted in each process; 0: any number", check: whole(0, 1_000_000)},
	{Name: "object_write_rates", Default: "", Meaning: "writes into one container in a second, by how many objects it holds: 100000=100,1000000=10; empty: any number"},
	{Name: "object_listing_rates", Default: "", Meaning: "listings of one container in a second, likewise"},
	{Name: "object_rate_wait", Default: "60s", Meaning: "time for which requests above these rates are held back; those that would wait longer are answered 498", check: duration},
	{Name: "s3_domain", Default: "", Meaning: "domain below which a host's first part names a bucket, for S3; empty: buckets are in the path only"},
	{Name: "s3_preflight_origins", Default: "", Meaning: "origins, with commas, whose scripts may send signed S3 requests to any bucket, * for all; links that were signed beforehand go by their bucket's CORS rules"},
	{Name: "property_protection_file", Default: "", Meaning: "file that says who may create, read, update and delete which properties of images; empty: nothing is protected"},
	{Name: "property_protection_rule_format", Default: "roles", Meaning: "whether that file names roles or policies", check: oneOf("roles", "policies")},
	{Name: "image_size_cap", Default: "1099511627776", Meaning: "bytes of one image at most", check: whole(1, 1<<62)},
	{Name: "image_property_quota", Default: "128", Meaning: "properties of an image at most; -1: no limit", check: whole(-1, 1<<30)},
	{Name: "image_tag_quota", Default: "128", Meaning: "tags of an image at most; -1: no limit", check: whole(-1, 1<<30)},
	{Name: "image_member_quota", Default: "128", Meaning: "projects that an image is shared with at most; -1: no limit", check: whole(-1, 1<<30)},
	{Name: "image_location_quota", Default: "10", Meaning: "locations of an image at most; -1: no limit", check: whole(-1, 1<<30)},
	{Name: "image_count_total", Default: "0", Meaning: "images of a project at most, where quota_driver is not unified_limits; 0: no limit", check: whole(0, 1<<30)},
	{Name: "image_size_total", Default: "0", Meaning: "MiB of a project's images at most, likewise", check: whole(0, 1<<40)},
	{Name: "image_stage_total", Default: "0", Meaning: "MiB of a project's staged data at most, likewise", check: whole(0, 1<<40)},
	{Name: "image_count_uploading", Default: "0", Meaning: "uploads and imports of a project under way at most, likewise", check: whole(0, 1<<30)},
	{Name: "log_level", Default: "info", Meaning: "debug, info, warn or error", check: oneOf("debug", "info", "warn", "error")},
	{Name: "log_format", Default: "json", Meaning: "json or text", check: oneOf("json", "text")},
	{Name: "sqlite_sync", Default: "full", Meaning: "full, or off for tests that may lose data in a power cut", check: oneOf("full", "off")},
}

func oneOf(values ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(values, s) {
			return fmt.Errorf("want one of %s", strings.Join(values, ", "))
		}
		return nil
	}
}

func whole(low, high int) func(string) error {
	return func(s string) error {
		if n, err := strconv.Atoi(s); err != nil || n < low || n > high {
			return fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		return nil
	}
}

func ratio(s string) error {
	if f, err := strconv.ParseFloat(s, 64); err != nil || f <= 0 || f > 1000 {
		return fmt.Errorf("want a number above 0")
	}
	return nil
}

func boolean(s string) error {
	if _, err := strconv.ParseBool(s); err != nil {
		return fmt.Errorf("want true or false")
	}
	return nil
}

func duration(s string) error {
	if d, err := time.ParseDuration(s); err != nil || d <= 0 {
		return fmt.Errorf("want a duration such as 90s, 5m or 1h")
	}
	return nil
}

func span(s string) error {
	if d, err := time.ParseDuration(s); err != nil || d < 0 {
		return fmt.Errorf("want a duration such as 90s, 5m or 1h, or 0s")
	}
	return nil
}

// Networks reads addresses and networks that are separated by commas.
func Networks(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			ip, err := netip.ParseAddr(part)
			if err != nil {
				return nil, fmt.Errorf("%q is no address and no network", part)
			}
			p = netip.PrefixFrom(ip, ip.BitLen())
		}
		out = append(out, p)
	}
	return out, nil
}

func networks(s string) error { _, err := Networks(s); return err }

// Value is a setting in force.
type Value struct {
	Key
	Text   string
	Origin string // default, the file's path, the variable's name, the flag
}

// Config are all settings in force; it does not change after Load.
type Config struct {
	values   map[string]Value
	sections map[string]map[string]Section
	named    []Value // of sections
}

// Load reads file (which may be absent when it is not required), environment and
// flags, and refuses unknown names and values that cannot be.
func Load(file string, required bool, environ []string, flags map[string]string) (*Config, error) {
	c := &Config{values: map[string]Value{}}
	for _, k := range Keys {
		c.values[k.Name] = Value{k, k.Default, "default"}
	}
	if err := c.file(file, required); err != nil {
		return nil, err
	}
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if rest, ours := strings.CutPrefix(name, "ALTOSTACK_"); ours {
			if _, known := c.values[strings.ToLower(rest)]; !known {
				continue // ALTOSTACK_DATA and the like belong to the command line
			}
			if err := c.set(strings.ToLower(rest), value, name); err != nil {
				return nil, err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		if err := c.set(name, flags[name], "--"+strings.ReplaceAll(name, "_", "-")); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Config) file(path string, required bool) error {
	data, err := os.ReadFile(path)
	if err != nil {
		if os.IsNotExist(err) && !required {
			return nil
		}
		return fmt.Errorf("configuration: %w", err)
	}
	settings, err := toml.Parser().Unmarshal(data)
	if err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if sections[name] != nil {
			if err := c.section(name, settings[name], path); err != nil {
				return err
			}
			continue
		}
		if err := c.set(name, fmt.Sprint(settings[name]), path); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) set(name, text, origin string) error {
	v, known := c.values[name]
	if !known {
		return fmt.Errorf("%s: there is no setting %q; 'altostack config' lists them", origin, name)
	}
	if v.check != nil {
		if err := v.check(text); err != nil {
			return fmt.Errorf("%s: %s = %q: %w", origin, name, text, err)
		}
	}
	v.Text, v.Origin = text, origin
	c.values[name] = v
	return nil
}

// Values lists what is in force, secrets blanked, in the order of [Keys].
func (c *Config) Values() []Value {
	out := make([]Value, 0, len(Keys))
	for _, k := range Keys {
		v := c.values[k.Name]
		if v.Secret && v.Text != "" {
			v.Text = "***"
		}
		out = append(out, v)
	}
	return append(out, c.named...)
}

func (c *Config) must(name string) Value {
	v, known := c.values[name]
	if !known {
		panic("config: no key " + name)
	}
	return v
}

// String answers a setting's text.
func (c *Config) String(name string) string { return c.must(name).Text }

// Bool answers a setting that is true or false.
func (c *Config) Bool(name string) bool { b, _ := strconv.ParseBool(c.must(name).Text); return b }

// Int answers a whole number.
func (c *Config) Int(name string) int { n, _ := strconv.Atoi(c.must(name).Text); return n }

// Float answers a number.
func (c *Config) Float(name string) float64 {
	f, _ := strconv.ParseFloat(c.must(name).Text, 64)
	return f
}

// Duration answers a span of time.
func (c *Config) Duration(name string) time.Duration {
	d, _ := time.ParseDuration(c.must(name).Text)
	return d
}
