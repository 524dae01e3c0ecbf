package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"altostack/kernel/contract"
	"altostack/wire"
)

func coverageCommand() *cobra.Command {
	var asJSON, missing bool
	cmd := &cobra.Command{Use: "coverage", Short: "How much of the OpenStack APIs is routed, by service and tier", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reports []contract.Report
			for _, t := range wire.RouteTables() {
				keys := make([]contract.RouteKey, len(t.Routes))
				for i, r := range t.Routes {
					keys[i] = contract.RouteKey{Method: r.Method, Path: r.Path, Action: r.Action}
				}
				reports = append(reports, contract.Coverage(t.Service, keys))
			}
			reports = append(reports, contract.Coverage("swift", wire.ObjectRoutes()))
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(reports)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 4, 2, ' ', 0)
			fmt.Fprintln(w, "SERVICE\tTIER 1\tTIER 2\tTIER 3\tALL")
			for _, r := range reports {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Service, share(r.Tiers[1]), share(r.Tiers[2]), share(r.Tiers[3]), share(r.All))
			}
			if err := w.Flush(); err != nil || !missing {
				return err
			}
			for _, r := range reports {
				for _, o := range r.Missing {
					fmt.Fprintf(cmd.OutOrStdout(), "missing: %s tier %d %s %s %s\n", r.Service, o.Tier, o.Method, o.Path, o.Action)
				}
				for _, k := range r.Unknown {
					fmt.Fprintf(cmd.OutOrStdout(), "beyond the contract: %s %s %s %s\n", r.Service, k.Method, k.Path, k.Action)
				}
			}
			return nil
		}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&missing, "missing", false, "list what is missing, and what is ours beyond the contract")
	return cmd
}

func share(c contract.Count) string { return fmt.Sprintf("%d/%d", c.Routed, c.Total) }
