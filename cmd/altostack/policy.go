package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"altostack/client"
	"altostack/kernel/auth"
	"altostack/kernel/policy"
)

// policyServices are those that decide by rules.
var policyServices = []string{"keystone", "nova", "placement", "neutron", "glance", "cinder"}

// caller is whom a rule is asked about, as flags name it.
type caller struct {
	data, roles, user, project, target, owner, domain, system string
}

func (c *caller) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.roles, "roles", "", "roles of the caller, with commas; those they imply are added; empty: the cloud is asked which the user has")
	f.StringVar(&c.user, "user", "user", "name or id of the calling user")
	f.StringVar(&c.project, "project", "", "name or id of the project of the caller's token")
	f.StringVar(&c.domain, "domain", "", "id of the domain of the caller's token, instead of a project")
	f.StringVar(&c.system, "system", "", "all for a token of the whole system, instead of a project")
	f.StringVar(&c.target, "target-project", "", "project of the object; empty: the caller's")
	f.StringVar(&c.owner, "target-user", "", "user whom the object belongs to; empty: the caller")
}

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "List, check and explain the rules of who may do what",
		Long: `The rules are those of the services' release, with what DATA/policy/SERVICE.yaml
overrides. SERVICE is keystone, nova, placement, neutron, glance or cinder.`}
	for _, c := range []*cobra.Command{policyList(), policyRedundant(), policySample(), policyCheck(), policyExplain()} {
		cmd.AddCommand(c)
	}
	return cmd
}

// engine opens the rules in force of one service.
func engine(data, service string) (*policy.Engine, error) {
	if !slices.Contains(policyServices, service) {
		return nil, coded{fmt.Errorf("there is no service %q; they are %s", service, strings.Join(policyServices, ", ")), exitUsage}
	}
	text, err := os.ReadFile(filepath.Join(data, "policy", service+".yaml"))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return policy.Service(service, text)
}

func policyList() *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "list SERVICE", Short: "Print the rules in force", Args: cobra.ExactArgs(1), ValidArgs: policyServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := engine(data, args[0])
			if err != nil {
				return err
			}
			for _, r := range e.Rules() {
				fmt.Fprintf(cmd.OutOrStdout(), "%q: %q\n", r.Name, r.Check)
			}
			return nil
		}}
	dataFlag(cmd, &data)
	return cmd
}

func policyRedundant() *cobra.Command {
	var data string
	cmd := &cobra.Command{Use: "redundant [SERVICE…]", Short: "List rules of the policy files that say what holds without them", ValidArgs: policyServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = policyServices
			}
			for _, service := range args {
				e, err := engine(data, service)
				if err != nil {
					return err
				}
				text, err := os.ReadFile(filepath.Join(data, "policy", service+".yaml"))
				if err != nil {
					continue // no file: nothing overridden
				}
				for _, name := range e.Redundant(text) {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %q\n", service, name)
				}
			}
			return nil
		}}
	dataFlag(cmd, &data)
	return cmd
}

func policySample() *cobra.Command {
	return &cobra.Command{Use: "sample SERVICE", Short: "Print the release's rules as a policy file in which every rule is commented out", Args: cobra.ExactArgs(1), ValidArgs: policyServices,
		RunE: func(cmd *cobra.Command, args []string) error {
			rules := policy.Defaults(args[0])
			if len(rules) == 0 {
				return coded{fmt.Errorf("there is no service %q; they are %s", args[0], strings.Join(policyServices, ", ")), exitUsage}
			}
			for _, r := range rules {
				sample(cmd.OutOrStdout(), r)
			}
			return nil
		}}
}

func sample(w io.Writer, r policy.Rule) {
	for op := range strings.SplitSeq(r.Operations, "; ") {
		if op != "" {
			fmt.Fprintf(w, "# %s\n", strings.Replace(op, " ", "  ", 1))
		}
	}
	if len(r.ScopeTypes) > 0 {
		fmt.Fprintf(w, "# Intended scope(s): %s\n", strings.Join(r.ScopeTypes, ", "))
	}
	fmt.Fprintf(w, "#%q: %q\n\n", r.Name, r.Check)
}

func policyCheck() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "check [SERVICE [RULE]]", Short: "Check the policy files, or which rules hold for a caller", Args: cobra.MaximumNArgs(2), ValidArgs: policyServices,
		Long: `Without SERVICE, check that every policy file can be read and name rules that can
never hold. With SERVICE, say of each rule, or of RULE, whether the caller passes it
for an object of the project.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return checkFiles(cmd.OutOrStdout(), c.data)
			}
			e, err := engine(c.data, args[0])
			if err != nil {
				return err
			}
			p, target, err := c.resolve(cmd)
			if err != nil {
				return err
			}
			for _, r := range e.Rules() {
				if len(args) == 2 && r.Name != args[1] {
					continue
				}
				verdict := "failed"
				if e.Allows(r.Name, p, target) {
					verdict = "passed"
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", verdict, r.Name)
			}
			return nil
		}}
	dataFlag(cmd, &c.data)
	c.flags(cmd)
	return cmd
}

func checkFiles(w io.Writer, data string) error {
	bad := 0
	for _, s := range policyServices {
		e, err := engine(data, s)
		if err != nil {
			bad++
			fmt.Fprintf(w, "%s: %v\n", s, err)
			continue
		}
		fmt.Fprintf(w, "%s: %d rules, %d that can never hold\n", s, len(e.Rules()), len(e.Problems()))
		for _, p := range e.Problems() {
			fmt.Fprintf(w, "  %s\n", p)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d policy files cannot be read", bad)
	}
	return nil
}

func policyExplain() *cobra.Command {
	var c caller
	cmd := &cobra.Command{Use: "explain [SERVICE] RULE", Short: "Say why a caller may, or may not", Args: cobra.RangeArgs(1, 2),
		Example: `  altostack policy explain --user demo --project demo os_compute_api:servers:create
  altostack policy explain --roles reader --project x nova os_compute_api:servers:delete`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rule, err := c.rule(args)
			if err != nil {
				return err
			}
			p, target, err := c.resolve(cmd)
			if err != nil {
				return err
			}
			x := e.Explain(rule, p, target)
			fmt.Fprint(cmd.OutOrStdout(), x.Words())
			fmt.Fprintf(cmd.OutOrStdout(), "roles of the caller there: %s\n", strings.Join(p.Roles, ", "))
			if !x.Allowed {
				return coded{fmt.Errorf("refused"), exitFailed}
			}
			return nil
		}}
	dataFlag(cmd, &c.data)
	c.flags(cmd)
	return cmd
}

// rule finds the service of a rule that is named without one.
func (c *caller) rule(args []string) (*policy.Engine, string, error) {
	if len(args) == 2 {
		e, err := engine(c.data, args[0])
		return e, args[1], err
	}
	var found []string
	var at *policy.Engine
	for _, service := range policyServices {
		e, err := engine(c.data, service)
		if err != nil {
			return nil, "", err
		}
		if e.Exists(args[0]) {
			at, found = e, append(found, service)
		}
	}
	switch len(found) {
	case 0:
		return nil, "", coded{fmt.Errorf("no service has the rule %q; 'altostack policy list SERVICE' prints them", args[0]), exitUsage}
	case 1:
		return at, args[0], nil
	}
	return nil, "", coded{fmt.Errorf("%s have a rule %q: name the service before it", strings.Join(found, " and "), args[0]), exitUsage}
}

// resolve makes the caller and the object. The cloud is asked only where no roles
// are given.
func (c *caller) resolve(cmd *cobra.Command) (*auth.Principal, policy.Target, error) {
	p := &auth.Principal{UserID: c.user, ProjectID: c.project, DomainID: c.domain, System: c.system == "all"}
	if c.roles != "" {
		p.Roles = implied(strings.Split(strings.ToLower(c.roles), ","))
	} else {
		cloud, err := session(cmd, c.data)
		if err != nil {
			return nil, nil, fmt.Errorf("%w; with --roles no cloud is asked", err)
		}
		if err := c.look(cmd, cloud, p); err != nil {
			return nil, nil, err
		}
	}
	target, owner := c.target, c.owner
	if target == "" {
		target = p.ProjectID
	}
	if owner == "" {
		owner = p.UserID
	}
	return p, policy.Target{"project_id": target, "tenant_id": target, "user_id": owner, "domain_id": p.DomainID, "target.user.id": owner, "target.project.id": target}, nil
}

// look fills in ids and roles as the cloud has them.
func (c *caller) look(cmd *cobra.Command, cloud *client.Cloud, p *auth.Principal) (err error) {
	if p.UserID, err = named(cmd, cloud, "users", c.user); err != nil {
		return err
	}
	q := url.Values{"effective": {"true"}, "include_names": {"true"}, "user.id": {p.UserID}}
	switch {
	case p.System:
		q.Set("scope.system", "all")
	case p.DomainID != "":
		q.Set("scope.domain.id", p.DomainID)
	case c.project == "":
		return coded{fmt.Errorf("name the scope with --project, --domain or --system all"), exitUsage}
	default:
		if p.ProjectID, err = named(cmd, cloud, "projects", c.project); err != nil {
			return err
		}
		q.Set("scope.project.id", p.ProjectID)
	}
	var out struct {
		Assignments []struct{ Role struct{ Name string } } `json:"role_assignments"`
	}
	if err := cloud.Do(cmd.Context(), "GET", "identity", "/role_assignments?"+q.Encode(), nil, &out); err != nil {
		return err
	}
	for _, a := range out.Assignments {
		if name := strings.ToLower(a.Role.Name); !slices.Contains(p.Roles, name) {
			p.Roles = append(p.Roles, name)
		}
	}
	slices.Sort(p.Roles)
	return nil
}

// named answers the id of a user or project that is given by name or id.
func named(cmd *cobra.Command, cloud *client.Cloud, plural, name string) (string, error) {
	var list map[string]any
	if err := cloud.Do(cmd.Context(), "GET", "identity", "/"+plural+"?name="+url.QueryEscape(name), nil, &list); err != nil {
		return "", err
	}
	rows, _ := list[plural].([]any)
	if len(rows) > 1 {
		return "", coded{fmt.Errorf("several %s are called %q: give the id", plural, name), exitUsage}
	}
	if len(rows) == 1 {
		id, _ := rows[0].(map[string]any)["id"].(string)
		return id, nil
	}
	if err := cloud.Do(cmd.Context(), "GET", "identity", "/"+plural+"/"+url.PathEscape(name), nil, nil); err != nil {
		return "", fmt.Errorf("no name and no id of %s: %q: %w", plural, name, err)
	}
	return name, nil
}

// implied adds what admin, manager and member imply, as identity does.
func implied(roles []string) []string {
	chain := []string{"admin", "manager", "member", "reader"}
	for i, name := range chain[:3] {
		if slices.Contains(roles, name) {
			return append(roles, chain[i+1:]...)
		}
	}
	return roles
}
