package main

import (
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
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
