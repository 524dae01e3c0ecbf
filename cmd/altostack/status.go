package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"altostack/wire"
)

func statusCommand() *cobra.Command {
	var data string
	var wait int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What runs: APIs, hosts, operations in flight, and what is unhealthy",
		Long:  "Show what runs. Exits 0 once every API answers, 3 if the cloud is not up or not healthy.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := awaitStatus(cmd.Context(), data, time.Duration(wait)*time.Second)
			if err != nil && st == nil {
				if asJSON {
					_ = json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"up": false, "data": data})
				}
				return coded{fmt.Errorf("no cloud is up in %s; 'altostack up --data %s' starts it", data, data), exitDown}
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				if err := e.Encode(st); err != nil {
					return err
				}
			} else {
				printStatus(cmd.OutOrStdout(), st)
			}
			if !st.Healthy() {
				return coded{errors.New("something is unhealthy"), exitDown}
			}
			return nil
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().IntVar(&wait, "wait", 0, "wait this many seconds for the cloud to be healthy")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func awaitStatus(ctx context.Context, data string, wait time.Duration) (*wire.Status, error) {
	until := time.Now().Add(wait)
	for {
		st, err := wire.AskStatus(ctx, data)
		if err == nil && st.Healthy() || !time.Now().Before(until) {
			return st, err
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func printStatus(out io.Writer, st *wire.Status) {
	fmt.Fprintf(out, "altostack %s, process %d, up %s, %s\n", st.Version, st.PID, st.Uptime.Round(time.Second), st.URL)
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	fmt.Fprintf(w, "\nAPI\tANSWERS\n")
	for _, a := range st.APIs {
		fmt.Fprintf(w, "%s\t%s\n", a.Name, word(a.Healthy, "yes", a.Error))
	}
	fmt.Fprintf(w, "\nHOST\tSTATE\tHYPERVISOR\tGUESTS\tPROCESSES\n")
	for i, h := range st.Hosts {
		if i == 20 {
			fmt.Fprintf(w, "and %d more\t\t\t\t\n", len(st.Hosts)-i)
			break
		}
		fmt.Fprintf(w, "%s\t%s\t%s/%s\t%d\t%s\n", h.Name, h.State, h.Hypervisor, h.Accelerator, h.Guests, pids(h.PIDs))
	}
	fmt.Fprintf(w, "\nOPERATION\tON\tSTEP\tAGE\n")
	for i, s := range st.Sagas {
		if i == 20 {
			fmt.Fprintf(w, "and %d more\t\t\t\n", len(st.Sagas)-i)
			break
		}
		fmt.Fprintf(w, "%s\t%s\t%s %d\t%s\n", s.Kind, s.Subject, s.Status, s.Step+1, s.Age.Round(time.Millisecond))
	}
	if len(st.Sagas) == 0 {
		fmt.Fprintf(w, "none in flight\t\t\t\n")
	}
	_ = w.Flush()
	for _, u := range st.Unhealthy {
		fmt.Fprintf(out, "\nUNHEALTHY %s: %s\n", u.What, u.Why)
	}
}

func word(ok bool, yes, otherwise string) string {
	if ok {
		return yes
	}
	return otherwise
}

func pids(p []int) string {
	if len(p) > 6 {
		return fmt.Sprintf("%v and %d more", p[:6], len(p)-6)
	}
	if len(p) == 0 {
		return "-"
	}
	return fmt.Sprint(p)
}
