package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"altostack/bench"
)

// benchSuiteCommand starts clouds of its own and measures them; e2e/bench calls it.
func benchSuiteCommand() *cobra.Command {
	var asJSON bool
	var s bench.Suite
	cmd := &cobra.Command{Use: "suite", Short: "Start clouds in a directory of its own and measure them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if s.Program, err = os.Executable(); err != nil {
				return err
			}
			if s.Dir, err = os.MkdirTemp("", "altostack-bench-"); err != nil {
				return err
			}
			defer os.RemoveAll(s.Dir)
			if err := os.Chmod(s.Dir, 0o711); err != nil { // guests' users pass through
				return err
			}
			s.Say = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "measuring:", text) }
			figures, err := s.Run(cmd.Context())
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				if eerr := e.Encode(figures); eerr != nil {
					return eerr
				}
				return err
			}
			printFigures(cmd.OutOrStdout(), figures)
			return err
		}}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.StringVar(&s.Image, "image", ".cache/tiny.qcow2", "image of the tiny guest")
	f.IntVar(&s.Repeat, "repeat", 5, "starts of each kind")
	f.IntVar(&s.Servers, "servers", 1000, "servers to boot")
	f.IntVar(&s.Rows, "rows", 100000, "servers in the full database")
	f.IntVar(&s.Objects, "objects", 1000000, "objects of the long listing; 0: the object store is not measured")
	f.IntVar(&s.Hosts, "hosts", 1000, "hosts of the large cloud")
	f.IntVar(&s.Tokens, "tokens", 100000, "tokens to issue, to see whether memory grows; 0: none")
	f.IntVar(&s.Guests, "guests", 5, "real boots; 0: none, which needs no root")
	f.IntVar(&s.Login, "login", 2, "of these, up to the login prompt")
	return cmd
}

func printFigures(out io.Writer, figures []bench.Figure) {
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmedian\tp99\tper second\tcount\twanted\tthe original")
	for _, f := range figures {
		if f.Error != "" {
			fmt.Fprintf(w, "%s\tfailed: %s\n", f.Name, f.Error)
			continue
		}
		unit, rate := f.Unit, ""
		if f.Rate > 0 {
			rate = fmt.Sprintf("%.0f", f.Rate)
		}
		if unit == "per_second" {
			unit = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", f.Name, withUnit(f.Median, unit), withUnit(f.P99, unit), rate, f.Count, f.Wanted, f.Original)
	}
	_ = w.Flush()
}

func withUnit(v float64, unit string) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return fmt.Sprintf("%.0f %s", v, unit)
	default:
		return fmt.Sprintf("%.2f %s", v, unit)
	}
}
