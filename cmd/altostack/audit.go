package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"altostack/audit"
	"altostack/wire"
)

// auditFlags are what the commands of the trail share.
type auditFlags struct {
	data, file, since string
}

func (f *auditFlags) add(cmd *cobra.Command) {
	dataFlag(cmd, &f.data)
	cmd.Flags().StringVar(&f.file, "config", "", "configuration file (default DATA/altostack.toml, if it is there)")
}

func (f *auditFlags) open(cmd *cobra.Command) (*audit.Log, func() error, error) {
	cfg, err := loadConfig(cmd.Flags(), f.data, f.file)
	if err != nil {
		return nil, nil, coded{err, exitUsage}
	}
	return wire.AuditLog(cmd.Context(), f.data, cfg)
}

// instant reads --since: a time, or how long ago.
func (f *auditFlags) instant() (time.Time, error) {
	if f.since == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(f.since); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(form, f.since); err == nil {
			return t, nil
		}
	}
	return time.Time{}, coded{fmt.Errorf("--since %q: want a time as 2026-01-31T10:00:00Z, a day, or a span as 24h", f.since), exitUsage}
}

const sinceMeaning = "from this time on: 2026-01-31T10:00:00Z, 2026-01-31, or how long ago as 24h"

func auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "List, export and verify the trail of who did what",
		Long: `Every call that may change something, and every authentication, leaves an event in
a chain of hashes. 'verify' finds what was edited, removed or added by other means
than the cloud's own. All of it works whether the cloud runs or not.`}
	cmd.AddCommand(auditListCommand(), auditExportCommand(), auditVerifyCommand())
	return cmd
}

func auditListCommand() *cobra.Command {
	var f auditFlags
	var asJSON bool
	var limit int
	var user, target, action, outcome, request string
	cmd := &cobra.Command{Use: "list", Short: "Print events, the latest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, err := f.instant()
			if err != nil {
				return err
			}
			log, done, err := f.open(cmd)
			if err != nil {
				return err
			}
			is := func(want string, have ...string) bool {
				for _, h := range have {
					if h == want {
						return true
					}
				}
				return want == ""
			}
			rows, err := log.List(cmd.Context(), since, limit, func(e audit.Event) bool {
				return is(user, e.Initiator.ID, e.Initiator.Name) && is(target, e.Target.ID, e.Target.Name) && is(outcome, e.Outcome) &&
					is(request, e.Initiator.RequestID, e.Initiator.GlobalID) && (action == "" || e.Action == action || strings.HasPrefix(e.Action, action+"/"))
			})
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			return printEvents(cmd, rows, asJSON)
		}}
	f.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.since, "since", "", sinceMeaning)
	fl.BoolVar(&asJSON, "json", false, "print JSON: the events as CADF")
	fl.IntVar(&limit, "limit", 100, "events at most")
	fl.StringVar(&user, "user", "", "id or name of who did it")
	fl.StringVar(&target, "target", "", "id of what it was done to")
	fl.StringVar(&action, "action", "", "create, update, delete, authenticate …")
	fl.StringVar(&outcome, "outcome", "", "success or failure")
	fl.StringVar(&request, "request", "", "request id, ours or the client's")
	return cmd
}

func printEvents(cmd *cobra.Command, rows []audit.Record, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		events := make([]json.RawMessage, len(rows))
		for i, r := range rows {
			events[i] = json.RawMessage(r.Event)
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(events)
	}
	w := tabwriter.NewWriter(out, 2, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tWHO\tACTION\tTARGET\tOUTCOME\tCODE\tFROM\tREQUEST")
	for _, r := range rows {
		var e audit.Event
		if err := json.Unmarshal([]byte(r.Event), &e); err != nil {
			fmt.Fprintf(w, "record %d of %s cannot be read: 'altostack audit verify'\n", r.Seq, r.Chain)
			continue
		}
		who, from, code := e.Initiator.Name, "", ""
		if who == "" {
			who = e.Initiator.ID
		}
		if e.Initiator.Host != nil {
			from = e.Initiator.Host.Address
		}
		if e.Reason != nil {
			code = e.Reason.ReasonCode
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s %s\t%s\t%s\t%s\t%s\n", e.EventTime, who, e.Action, e.Target.TypeURI, e.Target.ID, e.Outcome, code, from, e.Initiator.RequestID)
	}
	return w.Flush()
}

func auditExportCommand() *cobra.Command {
	var f auditFlags
	var to string
	cmd := &cobra.Command{Use: "export", Short: "Write the trail as JSON lines, each with its place in the chain", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			since, err := f.instant()
			if err != nil {
				return err
			}
			log, done, err := f.open(cmd)
			if err != nil {
				return err
			}
			if to == "-" {
				_, err = log.Export(cmd.Context(), since, cmd.OutOrStdout())
				return errors.Join(err, done())
			}
			n, err := exportFile(cmd, log, since, to)
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d records in %s\n", n, to)
			return nil
		}}
	f.add(cmd)
	cmd.Flags().StringVar(&f.since, "since", "", sinceMeaning)
	cmd.Flags().StringVar(&to, "out", "-", "file to write; it must not be there yet; -: standard output")
	return cmd
}

func exportFile(cmd *cobra.Command, log *audit.Log, since time.Time, path string) (int64, error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := log.Export(cmd.Context(), since, out)
	return n, errors.Join(err, out.Sync(), out.Close())
}

func auditVerifyCommand() *cobra.Command {
	var f auditFlags
	var lines string
	var asJSON bool
	cmd := &cobra.Command{Use: "verify", Short: "Find what was edited, removed or added", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, done, err := f.open(cmd)
			if err != nil {
				return err
			}
			var report audit.Report
			if lines == "" {
				report, err = log.Verify(cmd.Context())
			} else {
				var in *os.File
				if in, err = os.Open(lines); err == nil {
					report, err = log.VerifyLines(in)
					err = errors.Join(err, in.Close())
				}
			}
			if err := errors.Join(err, done()); err != nil {
				return err
			}
			return printReport(cmd, report, asJSON)
		}}
	f.add(cmd)
	cmd.Flags().StringVar(&lines, "file", "", "verify an export in place of the database")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printReport(cmd *cobra.Command, report audit.Report, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(report); err != nil {
			return err
		}
	} else {
		for _, n := range report.Notes {
			fmt.Fprintln(out, "note:", n)
		}
		for _, p := range report.Problems {
			fmt.Fprintln(out, p)
		}
		fmt.Fprintf(out, "%d records in %d chains, %d problems\n", report.Records, report.Chains, len(report.Problems))
	}
	if len(report.Problems) > 0 {
		return coded{errors.New("the audit trail was altered"), exitFailed}
	}
	return nil
}
