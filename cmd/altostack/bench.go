package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"altostack/bench"
	"altostack/client"
	"altostack/wire"
)

func benchCommand() *cobra.Command {
	var data string
	var asJSON bool
	o := bench.Options{Deadline: 10 * time.Minute}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure any OpenStack-compatible cloud named by OS_*, or that of --data",
		Long: `Measure a cloud through its public APIs: tokens, ports, servers, objects. It can be any
OpenStack-compatible cloud: set OS_AUTH_URL and the like, run it once against each
of two clouds, and compare. What it makes is named bench-… and removed again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			creds, err := client.FromEnv()
			if cmd.Flags().Changed("data") || err != nil {
				a, aerr := wire.AccessOf(data, "admin")
				if aerr != nil {
					return coded{fmt.Errorf("%w; or: %w", err, aerr), exitUsage}
				}
				creds = client.Credentials{AuthURL: a.AuthURL, Username: a.Username, Password: a.Password, Project: a.Project, Region: a.Region}
			}
			o.Say = func(s string) { fmt.Fprintln(cmd.ErrOrStderr(), "measuring:", s) }
			results, err := bench.Run(cmd.Context(), creds, o)
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(results)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 2, 4, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(w, "\tmedian ms\tp99 ms\tper second\tcount\t")
			for _, r := range results {
				if r.Error != "" {
					fmt.Fprintf(w, "%s\tfailed: %s\t\t\t\t\n", r.Name, r.Error)
					continue
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%d\t\n", r.Name, figure(r.Median), figure(r.P99), r.Rate, r.Count)
			}
			_ = w.Flush()
			return err
		},
	}
	dataFlag(cmd, &data)
	cmd.AddCommand(benchSuiteCommand(), benchFillCommand())
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.StringSliceVar(&o.Parts, "parts", nil, "only these of tokens, ports, servers, objects")
	f.IntVar(&o.Servers, "servers", 100, "servers to boot")
	f.IntVar(&o.Calls, "calls", 1000, "calls of each kind of read")
	f.IntVar(&o.LargeMiB, "large-mib", 256, "size of the large object, MiB")
	f.IntVar(&o.Objects, "objects", 10000, "objects of the long listing; 0: none")
	f.IntVar(&o.Concurrency, "concurrency", 8, "callers at a time")
	f.IntVar(&o.Boots, "boots", 4, "callers at a time that boot servers")
	f.StringVar(&o.Image, "image", "", "image to boot; empty: the first there is")
	f.StringVar(&o.Flavor, "flavor", "", "flavor; empty: the smallest")
	f.StringVar(&o.Network, "network", "", "network; empty: one is made")
	return cmd
}

func figure(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}
