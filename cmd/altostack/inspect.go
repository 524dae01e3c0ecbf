package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"altostack/kernel/auth"
	"altostack/kernel/policy"
)

func configCommand() *cobra.Command {
	var data, file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings in force and where each came from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags(), data, file)
			if err != nil {
				return coded{err, exitUsage}
			}
			if asJSON {
				out := map[string]map[string]string{}
				for _, v := range cfg.Values() {
					out[v.Name] = map[string]string{"value": v.Text, "origin": v.Origin}
				}
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(out)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 4, 2, ' ', 0)
			fmt.Fprintln(w, "SETTING\tVALUE\tFROM\tMEANING")
			for _, v := range cfg.Values() {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", v.Name, v.Text, v.Origin, v.Meaning)
			}
			return w.Flush()
		},
	}
	dataFlag(cmd, &data)
	configFlags(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "List, check and explain the rules of who may do what"}
	var data string
	var roles, user, project, targetProject, system string
	services := []string{"keystone", "nova", "placement", "neutron", "glance", "cinder"}
	open := func(service string) (*policy.Engine, error) {
		text, err := os.ReadFile(filepath.Join(data, "policy", service+".yaml"))
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		return policy.Service(service, text)
	}
	list := &cobra.Command{Use: "list SERVICE", Short: "Print the rules in force", Args: cobra.ExactArgs(1), ValidArgs: services,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := open(args[0])
			if err != nil {
				return err
			}
			for _, r := range e.Rules() {
				fmt.Fprintf(cmd.OutOrStdout(), "%q: %q\n", r.Name, r.Check)
			}
			return nil
		}}
	check := &cobra.Command{Use: "check", Short: "Check the policy files of all services", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			bad := 0
			for _, s := range services {
				e, err := open(s)
				if err != nil {
					bad++
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %v\n", s, err)
					continue
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d rules, %d that can never hold\n", s, len(e.Rules()), len(e.Problems()))
				for _, p := range e.Problems() {
					fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", p)
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d policy files cannot be read", bad)
			}
			return nil
		}}
	explain := &cobra.Command{Use: "explain SERVICE RULE", Short: "Say why a caller may, or may not", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := open(args[0])
			if err != nil {
				return err
			}
			if targetProject == "" {
				targetProject = project
			}
			p := &auth.Principal{UserID: user, ProjectID: project, System: system == "all", Roles: implied(strings.Split(strings.ToLower(roles), ","))}
			ex := e.Explain(args[1], p, policy.Target{"project_id": targetProject, "tenant_id": targetProject, "user_id": user})
			fmt.Fprintln(cmd.OutOrStdout(), ex)
			if !ex.Allowed {
				return coded{fmt.Errorf("refused"), exitFailed}
			}
			return nil
		}}
	f := explain.Flags()
	f.StringVar(&roles, "roles", "member", "roles of the caller, with commas; those they imply are added")
	f.StringVar(&user, "user", "user", "id of the calling user, and of the object's owner")
	f.StringVar(&project, "project", "project", "project of the caller's token")
	f.StringVar(&targetProject, "target-project", "", "project of the object; empty: the caller's")
	f.StringVar(&system, "system", "", "all for a system-scoped token")
	for _, c := range []*cobra.Command{list, check, explain} {
		dataFlag(c, &data)
		cmd.AddCommand(c)
	}
	return cmd
}

// implied adds what admin, manager and member imply, as identity does.
func implied(roles []string) []string {
	chain := []string{"admin", "manager", "member", "reader"}
	for i, name := range chain[:3] {
		for _, r := range roles {
			if r == name {
				return append(roles, chain[i+1:]...)
			}
		}
	}
	return roles
}

func manCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "man DIR", Short: "Write the manual pages into a directory", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Title: "ALTOSTACK", Section: "1", Source: "Altostack " + version}, args[0])
		}}
	return cmd
}
