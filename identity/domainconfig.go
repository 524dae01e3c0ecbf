package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"altostack/kernel/auth"
	"altostack/kernel/db"
)

// Settings are options by group and name.
type Settings map[string]map[string]any

// DomainSettings is a domain's configuration as it is kept.
type DomainSettings struct {
	DomainID string
	Sealed   string // Settings as JSON, encrypted with the credential keys
}

// At names a part of a configuration: a group of it, or an option of a group;
// the zero At is the whole.
type At struct{ Group, Option string }

func (at At) String() string {
	switch {
	case at.Option != "":
		return fmt.Sprintf("option %s in group %s", at.Option, at.Group)
	case at.Group != "":
		return "group " + at.Group
	}
	return "any options"
}

func badConfig(format string, args ...any) error {
	return forbidden("Invalid domain specific configuration: %s.", fmt.Sprintf(format, args...))
}

// known refuses what no domain can set.
func (at At) known() error {
	if at.Group == "" {
		return nil
	}
	if domainOptions[at.Group] == nil {
		return badConfig("Group %s is not supported for domain specific configurations", at.Group)
	}
	if _, ok := findOption(at.Group, at.Option); at.Option != "" && !ok {
		return badConfig("Option %s in group %s is not supported for domain specific configurations", at.Option, at.Group)
	}
	return nil
}

// valid refuses a configuration that is empty or names what no domain can set.
func (c Settings) valid() error {
	if len(c) == 0 {
		return badConfig("No options specified")
	}
	for group, options := range c {
		if len(options) == 0 {
			return badConfig("The value of group %s specified in the config should be a dictionary of options", group)
		}
		for option := range options {
			if err := (At{group, option}).known(); err != nil {
				return err
			}
		}
	}
	return nil
}

// in is the part of c that at names; without the sensitive options unless all.
func (c Settings) in(at At, all bool) Settings {
	out := Settings{}
	for group, options := range c {
		for name, value := range options {
			o, _ := findOption(group, name)
			if (at.Group != "" && at.Group != group) || (at.Option != "" && at.Option != name) || (o.sensitive && !all) {
				continue
			}
			if out[group] == nil {
				out[group] = map[string]any{}
			}
			out[group][name] = value
		}
	}
	return out
}

// substituted puts the values of sensitive options where the others of their
// domain name them: %(password)s. One that names something else stays as it is.
func (c Settings) substituted() Settings {
	secrets := map[string]string{}
	for group, options := range c {
		for name, value := range options {
			if o, _ := findOption(group, name); o.sensitive {
				secrets[name] = fmt.Sprint(value)
			}
		}
	}
	out := Settings{}
	for group, options := range c {
		out[group] = maps.Clone(options)
		for name, value := range options {
			text, isText := value.(string)
			if o, _ := findOption(group, name); isText && !o.sensitive {
				out[group][name] = substitute(text, secrets)
			}
		}
	}
	return out
}

func substitute(text string, secrets map[string]string) string {
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if after, found = strings.CutPrefix(after, "%"); found { // %% is a percent sign
			b.WriteByte('%')
			rest = after
			continue
		}
		name, tail, closed := strings.Cut(strings.TrimPrefix(after, "("), ")s")
		value, known := secrets[name]
		if !strings.HasPrefix(after, "(") || !closed || !known {
			return text
		}
		b.WriteString(value)
		rest = tail
	}
}

// DomainConfig answers a domain's configuration with the values of its secrets,
// for drivers within the process; empty where the domain has none.
func (s *Service) DomainConfig(ctx context.Context, domainID string) (map[string]map[string]any, error) {
	c, _, err := s.settings(ctx, s.db, domainID)
	return c.substituted(), err
}

// settings reads what a domain has set.
func (s *Service) settings(ctx context.Context, r db.Reader, domainID string) (Settings, bool, error) {
	row, found, err := s.tables.DomainConfigs.Get(ctx, r, domainID)
	if err != nil || !found {
		return Settings{}, false, err
	}
	plain := s.cfg.CredentialKeys.open(row.Sealed)
	if plain == nil {
		return nil, true, fmt.Errorf("the configuration of domain %s cannot be decrypted with the keys that are there", domainID)
	}
	var c Settings
	return c, true, json.Unmarshal(plain, &c)
}

func (s *Service) keepSettings(ctx context.Context, tx *db.Tx, domainID string, c Settings) error {
	if _, err := s.tables.DomainConfigs.Remove(ctx, tx, Is("domain_id", domainID)); err != nil || len(c) == 0 {
		return err
	}
	sealed, err := s.cfg.CredentialKeys.seal([]byte(db.JSON(c)))
	if err != nil {
		return err
	}
	return s.tables.DomainConfigs.Insert(ctx, tx, DomainSettings{DomainID: domainID, Sealed: sealed})
}

// ShownConfig answers a domain's configuration, or a part of it, without secrets.
func (s *Service) ShownConfig(ctx context.Context, scope auth.Scope, domainID string, at At) (Settings, error) {
	if err := s.configured(ctx, s.db, scope, domainID); err != nil {
		return nil, err
	}
	if err := at.known(); err != nil {
		return nil, err
	}
	c, _, err := s.settings(ctx, s.db, domainID)
	if err != nil {
		return nil, err
	}
	if c = c.in(at, false); len(c) == 0 {
		return nil, noConfig(domainID, at)
	}
	return c, nil
}

// configured decides the rule, and wants the domain.
func (s *Service) configured(ctx context.Context, r db.Reader, scope auth.Scope, domainID string) error {
	if err := scope.Check(scope.Rule, nil); err != nil {
		return err
	}
	return s.needDomain(ctx, r, domainID)
}

func noConfig(domainID string, at At) error {
	return notFound(fmt.Sprintf("%s in domain configuration for domain", at), domainID)
}

// ReplaceConfig sets a domain's configuration; made says that it had none.
func (s *Service) ReplaceConfig(ctx context.Context, scope auth.Scope, domainID string, c Settings) (shown Settings, made bool, err error) {
	err = s.changeConfig(ctx, scope, domainID, func(_ Settings, had bool) (Settings, error) {
		made = !had
		return c, c.valid()
	})
	return c.in(At{}, false), made, err
}

// UpdateConfig merges c into a domain's configuration. With at, c must hold that
// part only, and the domain must have it.
func (s *Service) UpdateConfig(ctx context.Context, scope auth.Scope, domainID string, at At, c Settings) (shown Settings, err error) {
	err = s.changeConfig(ctx, scope, domainID, func(old Settings, _ bool) (Settings, error) {
		if err := fits(domainID, at, c, old); err != nil {
			return nil, err
		}
		merged := old.in(At{}, true)
		for group, options := range c {
			if merged[group] == nil {
				merged[group] = map[string]any{}
			}
			maps.Copy(merged[group], options)
		}
		shown = merged.in(At{}, false)
		return merged, nil
	})
	return shown, err
}

func fits(domainID string, at At, c, old Settings) error {
	if err := cmpErr(c.valid(), at.known()); err != nil || at.Group == "" {
		return err
	}
	_, hasGroup := c[at.Group]
	_, hasOption := c[at.Group][at.Option]
	switch {
	case at.Option != "" && (len(c) != 1 || len(c[at.Group]) != 1 || !hasOption):
		return badConfig("Trying to update option %s in group %s, so that, and only that, option must be specified  in the config", at.Option, at.Group)
	case len(c) != 1 || !hasGroup:
		return badConfig("Trying to update group %s, so that, and only that, group must be specified in the config", at.Group)
	case len(old.in(at, true)) == 0:
		return noConfig(domainID, at)
	}
	return nil
}

// DeleteConfig removes a domain's configuration or a part of it; the whole may be
// absent.
func (s *Service) DeleteConfig(ctx context.Context, scope auth.Scope, domainID string, at At) error {
	return s.changeConfig(ctx, scope, domainID, func(old Settings, _ bool) (Settings, error) {
		if err := at.known(); err != nil {
			return nil, err
		}
		if at.Group != "" && len(old.in(at, true)) == 0 {
			return nil, noConfig(domainID, at)
		}
		kept := Settings{}
		for group, options := range old {
			for name, value := range options {
				if at.Group == "" || (group == at.Group && (at.Option == "" || at.Option == name)) {
					continue
				}
				if kept[group] == nil {
					kept[group] = map[string]any{}
				}
				kept[group][name] = value
			}
		}
		return kept, nil
	})
}

// changeConfig lets change turn what a domain has set into what it shall have.
func (s *Service) changeConfig(ctx context.Context, scope auth.Scope, domainID string, change func(old Settings, had bool) (Settings, error)) error {
	return s.write(ctx, func(ctx context.Context, tx *db.Tx, e *effects) error {
		if err := s.configured(ctx, tx, scope, domainID); err != nil {
			return err
		}
		old, had, err := s.settings(ctx, tx, domainID)
		if err != nil {
			return err
		}
		c, err := change(old, had)
		if err != nil {
			return err
		}
		e.touched(domainKey(domainID))
		return s.keepSettings(ctx, tx, domainID, c)
	})
}

// ConfigDefaults answers what holds where a domain sets nothing.
func (s *Service) ConfigDefaults(at At) (Settings, error) {
	if err := at.known(); err != nil {
		return nil, err
	}
	if o, _ := findOption(at.Group, at.Option); o.sensitive {
		return nil, badConfig("Reading the default for option %s in group %s is not supported", at.Option, at.Group)
	}
	out := Settings{}
	for group, options := range domainOptions {
		out[group] = map[string]any{}
		for _, o := range options {
			out[group][o.name] = o.value
		}
	}
	return out.in(at, false), nil
}

// ComplianceConfig answers the rules for passwords, which anybody with a token
// may read of the default domain.
func (s *Service) ComplianceConfig(domainID, option string) (map[string]any, error) {
	if domainID != DefaultDomainID {
		return nil, badConfig("Reading security compliance information for any domain other than the default domain is not allowed or supported.")
	}
	all := s.passwordRules()
	if option == "" {
		return all, nil
	}
	v, known := all[option]
	if !known {
		return nil, badConfig("Reading security compliance values other than password_regex and password_regex_description is not allowed.")
	}
	return map[string]any{option: v}, nil
}

// passwordRules are the rules for passwords in words that a client may show; null
// where any password will do.
func (s *Service) passwordRules() map[string]any {
	out := map[string]any{"password_regex": nil, "password_regex_description": nil}
	if r := s.cfg.Rules; r.Regex != "" {
		out["password_regex"], out["password_regex_description"] = r.Regex, r.RegexInWords
	}
	return out
}
