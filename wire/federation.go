package wire

import (
	"fmt"
	"os"
	"strings"
	"time"

	"altostack/identity"
	"altostack/identity/ldap"
	"altostack/identity/oidc"
)

// relyingParty speaks with the identity providers that the configuration names.
func (s *System) relyingParty() (identity.RelyingParty, error) {
	cfg := oidc.Config{Clock: s.clock}
	for _, part := range s.opt.Config.Sections("federation") {
		p := oidc.Provider{ID: part.Name, Issuer: part.String("issuer"), ClientID: part.String("client_id"), Scopes: part.List("scopes"), Audience: part.List("audience"),
			UserInfo: part.Bool("userinfo"), Opaque: oidc.Opaque(part.String("opaque"))}
		if file := part.String("client_secret_file"); file != "" {
			secret, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("federation.%s: client_secret_file: %w", part.Name, err)
			}
			p.ClientSecret = strings.TrimSpace(string(secret))
		}
		if file := part.String("ca_file"); file != "" {
			var err error
			if p.CA, err = os.ReadFile(file); err != nil {
				return nil, fmt.Errorf("federation.%s: ca_file: %w", part.Name, err)
			}
		}
		cfg.Providers = append(cfg.Providers, p)
	}
	return oidc.Open(cfg)
}

// openDirectory reads the users of a domain that has a directory.
func openDirectory(options map[string]any, limit int) (identity.Directory, error) {
	return ldap.Open(options, limit)
}

// dashboards are the addresses that logins by browser may end at.
func (s *System) dashboards() []string {
	return strings.FieldsFunc(s.opt.Config.String("trusted_dashboards"), func(r rune) bool { return r == ',' || r == ' ' })
}

// authorizationTTL is how long groups hold that a provider vouched for.
func (s *System) authorizationTTL() time.Duration {
	return time.Duration(s.opt.Config.Int("authorization_ttl")) * time.Minute
}
