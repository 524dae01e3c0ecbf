package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"altostack/client"
	"altostack/kernel/id"
	"altostack/wire"
)

func traceCommand() *cobra.Command {
	var data string
	var live, asJSON bool
	cmd := &cobra.Command{
		Use:   "trace SERVER",
		Short: "Show the 29 steps of a server's boot, finished, failed or under way",
		Long: `Show the 29 steps of a server's boot with component, duration and outcome.
SERVER is an id, or a name of a server that is not deleted. The cloud is the one
of --data or, without it, the one that the OS_* variables name.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cloud, err := session(cmd, data)
			if err != nil {
				return err
			}
			serverID, err := serverNamed(cmd.Context(), cloud, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				path := "/v2.1/servers/" + serverID + "/altostack-trace"
				if live {
					path += "?follow=1"
				}
				return cloud.Do(cmd.Context(), "GET", "compute", path, nil, cmd.OutOrStdout())
			}
			return follow(cmd.Context(), cloud, serverID, cmd.OutOrStdout(), live)
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&live, "follow", false, "show the steps as they happen, until the boot ends")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; with --follow a line a step")
	return cmd
}

// session logs in to the cloud of a data directory, or of OS_*.
func session(cmd *cobra.Command, data string) (*client.Cloud, error) {
	ctx := cmd.Context()
	if !cmd.Flags().Changed("data") && os.Getenv("OS_AUTH_URL") != "" {
		c, err := client.FromEnv()
		if err != nil {
			return nil, err
		}
		return client.Login(ctx, c)
	}
	a, err := wire.AccessOf(data, "admin")
	if err != nil {
		return nil, coded{err, exitDown}
	}
	return client.Login(ctx, client.Credentials{AuthURL: a.AuthURL, Username: a.Username, Password: a.Password, Project: a.Project, Region: a.Region})
}

func serverNamed(ctx context.Context, cloud *client.Cloud, name string) (string, error) {
	if id.IsUUID(name) {
		return name, nil
	}
	var out struct{ Servers []struct{ ID, Name string } }
	if err := cloud.Do(ctx, "GET", "compute", "/v2.1/servers?all_tenants=1&name=^"+name+"$", nil, &out); err != nil {
		return "", err
	}
	switch len(out.Servers) {
	case 0:
		return "", fmt.Errorf("there is no server named %s; give its id if it is deleted", name)
	case 1:
		return out.Servers[0].ID, nil
	}
	return "", fmt.Errorf("%d servers are named %s; give the id", len(out.Servers), name)
}

// traceStep is a row of the trace API.
type traceStep struct {
	Step      int            `json:"number"`
	Name      string         `json:"name"`
	Component string         `json:"component"`
	Start     time.Time      `json:"start"`
	Took      int64          `json:"took_us"`
	Outcome   string         `json:"outcome"`
	Attrs     map[string]any `json:"detail"`
}

// follow prints the steps; live ones as they come.
func follow(ctx context.Context, cloud *client.Cloud, serverID string, out io.Writer, live bool) error {
	path := "/v2.1/servers/" + serverID + "/altostack-trace"
	if !live {
		var t struct {
			Trace struct {
				Steps  []traceStep `json:"steps"`
				Status string      `json:"status"`
				Fault  *struct {
					Code, Message, Hint, Cause string
				} `json:"fault"`
			} `json:"trace"`
		}
		if err := cloud.Do(ctx, "GET", "compute", path, nil, &t); err != nil {
			return err
		}
		for _, s := range t.Trace.Steps {
			printStep(out, s)
		}
		if f := t.Trace.Fault; f != nil {
			fmt.Fprintf(out, "\n%s: %s %s\n", f.Code, f.Message, f.Hint)
			for why := range strings.SplitSeq(f.Cause, "; ") { // for operators only: what each host lacked
				if why != "" {
					fmt.Fprintf(out, "  %s\n", why)
				}
			}
		}
		return nil
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := cloud.Do(ctx, "GET", "compute", path+"?follow=1", nil, w)
		done <- err
		_ = w.CloseWithError(err)
	}()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Step *traceStep }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return errors.Join(fmt.Errorf("trace: %w", err), r.Close())
		}
		if line.Step != nil && line.Step.Outcome != "running" {
			printStep(out, *line.Step)
		}
	}
	return <-done
}

func printStep(out io.Writer, s traceStep) {
	mark, paint := "✓", "\x1b[32m"
	switch s.Outcome {
	case "error":
		mark, paint = "✗", "\x1b[31m"
	case "skipped":
		mark, paint = "–", "\x1b[2m"
	case "running":
		mark, paint = "…", "\x1b[33m"
	}
	plain := "\x1b[0m"
	if f, ok := out.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("NO_COLOR") != "" {
		paint, plain = "", ""
	}
	note := ""
	for _, k := range []string{"cached", "host", "message"} {
		if v, has := s.Attrs[k]; has {
			note += fmt.Sprintf("  %s: %v", k, v)
		}
	}
	fmt.Fprintf(out, "%s%s %2d%s  %-28s %9s  %s%s\n", paint, mark, s.Step, plain, s.Component, fmt.Sprintf("%.2f ms", float64(s.Took)/1000), s.Name, strings.ReplaceAll(note, "\n", " "))
}
