package wire

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// Access is what a person needs to use the cloud: the OS_* variables.
type Access struct {
	AuthURL  string `json:"auth_url"`
	Username string `json:"username"`
	Password string `json:"password"`
	Project  string `json:"project"`
	Region   string `json:"region"`
}

// OpenRC renders access as shell variables.
func (a Access) OpenRC() string {
	return fmt.Sprintf(`export OS_AUTH_URL=%s
export OS_USERNAME=%s
export OS_PASSWORD=%s
export OS_PROJECT_NAME=%s
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=%s
export OS_IDENTITY_API_VERSION=3
export OS_INTERFACE=public
unset OS_CLOUD OS_TOKEN OS_SYSTEM_SCOPE
`, a.AuthURL, a.Username, a.Password, a.Project, a.Region)
}

// AccessOf answers the access to a project of the cloud in a data directory:
// the administrator's for "admin", the demo user's for "demo".
func AccessOf(path, project string) (Access, error) {
	in, err := ReadIdentity(path)
	if err != nil {
		return Access{}, fmt.Errorf("no cloud in %s: %w", path, err)
	}
	url, err := os.ReadFile(filepath.Join(path, "url"))
	if err != nil {
		return Access{}, fmt.Errorf("the cloud in %s has never been up: %w", path, err)
	}
	region, err := os.ReadFile(filepath.Join(path, "region"))
	if err != nil {
		return Access{}, err
	}
	a := Access{AuthURL: string(url) + "/identity/v3", Region: string(region), Project: project, Username: "admin", Password: in.AdminPassword}
	switch project {
	case "admin":
	case "demo":
		a.Username, a.Password = "demo", in.DemoPassword
	default:
		return Access{}, fmt.Errorf("openrc is kept for the projects admin and demo; for %q ask for a user of your own with 'openstack user create'", project)
	}
	return a, nil
}

// writeAccess leaves DIR/openrc, DIR/clouds.yaml and what AccessOf reads.
func (s *System) writeAccess() error {
	d, cfg := s.dir, s.opt.Config
	for name, text := range map[string]string{"url": s.publicURL, "region": cfg.String("region")} {
		if err := WriteFile(d.File(name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	admin, err := AccessOf(d.Path, "admin")
	if err != nil {
		return err
	}
	if err := WriteFile(d.File("openrc"), []byte(admin.OpenRC()), 0o600); err != nil {
		return err
	}
	clouds := map[string]any{"altostack": cloudEntry(admin)}
	if cfg.Bool("demo") {
		demo, err := AccessOf(d.Path, "demo")
		if err != nil {
			return err
		}
		clouds["altostack-demo"] = cloudEntry(demo)
	}
	text, err := yaml.Marshal(map[string]any{"clouds": clouds})
	if err != nil {
		return err
	}
	return WriteFile(d.File("clouds.yaml"), text, 0o600)
}

func cloudEntry(a Access) map[string]any {
	return map[string]any{"auth": map[string]string{"auth_url": a.AuthURL, "username": a.Username, "password": a.Password,
		"project_name": a.Project, "user_domain_name": "Default", "project_domain_name": "Default"},
		"region_name": a.Region, "identity_api_version": 3, "interface": "public"}
}
