package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"altostack/kernel/config"
)

func TestLaterSourcesWinAndSayWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "altostack.toml")
	if err := os.WriteFile(file, []byte("region = \"Nord\"\nfake_hosts = 3\nlog_level = \"warn\"\ndatabase = \"postgres://u:p@h/d\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file, true, []string{"ALTOSTACK_FAKE_HOSTS=4", "ALTOSTACK_LOG_LEVEL=error", "HOME=/x"}, map[string]string{"log_level": "debug"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"region": "Nord " + file, "fake_hosts": "4 ALTOSTACK_FAKE_HOSTS", "log_level": "debug --log-level", "accel": "auto default", "database": "*** " + file}
	for _, v := range c.Values() {
		if w, ok := want[v.Name]; ok && v.Text+" "+v.Origin != w {
			t.Errorf("%s: %s %s, want %s", v.Name, v.Text, v.Origin, w)
		}
	}
	if c.Int("fake_hosts") != 4 || c.String("database") != "postgres://u:p@h/d" {
		t.Errorf("values: %d, %s", c.Int("fake_hosts"), c.String("database"))
	}
}

func TestBadSettingsAreNamed(t *testing.T) {
	for want, flags := range map[string]map[string]string{
		"no setting \"colour\"":      {"colour": "red"},
		"want one of auto, qemu":     {"hypervisor": "xen"},
		"from 1 to 10000":            {"fake_hosts": "0"},
		"want a duration":            {"token_ttl": "soon"},
		"--masquerade: masquerade =": {"masquerade": "perhaps"},
	} {
		if _, err := config.Load("", false, nil, flags); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", flags, err, want)
		}
	}
	if _, err := config.Load("/nonexistent.toml", true, nil, nil); err == nil {
		t.Error("a file that was asked for must be there")
	}
}

func TestSectionsThatTheOperatorNames(t *testing.T) {
	load := func(text string) (*config.Config, error) {
		file := filepath.Join(t.TempDir(), "altostack.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(file, true, nil, nil)
	}
	c, err := load("region = \"x\"\n[federation.acme]\nissuer = \"https://a\"\nscopes = [\"openid\", \"groups\"]\nuserinfo = true\n[federation.two]\nissuer = \"https://b\"\n")
	if err != nil {
		t.Fatal(err)
	}
	parts := c.Sections("federation")
	if len(parts) != 2 || parts[0].Name != "acme" || parts[0].String("issuer") != "https://a" || strings.Join(parts[0].List("scopes"), "+") != "openid+groups" || !parts[0].Bool("userinfo") || parts[1].String("opaque") != "introspection" {
		t.Errorf("sections %+v", parts)
	}
	shown := ""
	for _, v := range c.Values() {
		shown += v.Name + "=" + v.Text + "\n"
	}
	if !strings.Contains(shown, "federation.two.issuer=https://b\n") {
		t.Errorf("shown:\n%s", shown)
	}
	for want, text := range map[string]string{
		"there is no setting \"secret\"": "[federation.acme]\nsecret = \"x\"\n",
		"want one of introspection":      "[federation.acme]\nopaque = \"yes\"\n",
		"is not a section":               "[federation]\nissuer = \"x\"\n",
		"needs sections":                 "federation = 1\n",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
