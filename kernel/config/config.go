// Package config is what an operator can set, and where each value came from:
// built-in default, file (TOML), environment (ALTOSTACK_…) or flag, the later
// winning. Every key stands once in [Keys]; there is no other configuration.
package config

import (
	"fmt"
	"maps"
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
	{Name: "token_ttl", Default: "1h", Meaning: "life of a token", check: duration},
	{Name: "password_cost", Default: "12", Meaning: "bcrypt cost of new passwords", check: whole(4, 20)},
	{Name: "boot_deadline", Default: "5m", Meaning: "time after which a server that is not ACTIVE is undone and put to ERROR", check: duration},
	{Name: "demo", Default: "true", Meaning: "make the demo project with its networks, flavors and image at first start", check: boolean},
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

// Value is a setting in force.
type Value struct {
	Key
	Text   string
	Origin string // default, the file's path, the variable's name, the flag
}

// Config are all settings in force; it does not change after Load.
type Config struct{ values map[string]Value }

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
	return out
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
