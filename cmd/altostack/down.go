package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"altostack/wire"
)

func downCommand() *cobra.Command {
	var data, guests string
	cmd := &cobra.Command{
		Use:   "down",
		Short: "End a cloud; its guests go on unless --guests stop",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if guests != "keep" && guests != "stop" {
				return coded{fmt.Errorf("--guests %s: want keep or stop", guests), exitUsage}
			}
			pid, err := down(cmd.Context(), data, guests == "stop")
			if err != nil {
				return err
			}
			if pid == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no cloud is up in %s\n", data)
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "process %d has ended; %s\n", pid, word(guests == "stop", "its guests are stopped", "its guests go on"))
			return nil
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().StringVar(&guests, "guests", "keep", "keep: guests go on running; stop: they are shut down first")
	return cmd
}

// down ends the cloud's process and waits until it has let its data go.
func down(ctx context.Context, data string, stopGuests bool) (int, error) {
	pid, err := wire.AskDown(ctx, data, stopGuests)
	if errors.Is(err, wire.ErrNotUp) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		d, err := wire.OpenDataDir(data)
		if err == nil {
			if word := d.LastWord(); word != "" {
				return pid, errors.Join(fmt.Errorf("process %d has ended, but not all of its guests: %s", pid, word), d.Close())
			}
			return pid, d.Close()
		}
		select {
		case <-ctx.Done():
			return pid, fmt.Errorf("process %d does not end; kill -9 %d is safe: what it was doing goes on at the next start", pid, pid)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func wipeCommand() *cobra.Command {
	var data string
	var keepGoing bool
	cmd := &cobra.Command{
		Use:   "wipe",
		Short: "Remove all that a cloud ever made on this machine, its data included",
		Long: `Remove all that a cloud ever made on this machine: its guests, network
namespaces, bridges, taps, nftables tables, control groups, and the data
directory with every disk and image in it. There is no way back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			abs, err := filepath.Abs(data)
			if err != nil {
				return err
			}
			if _, err := os.Stat(abs); errors.Is(err, os.ErrNotExist) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is not there: nothing to wipe\n", data)
				return nil
			}
			if _, err := wire.ReadIdentity(abs); err != nil && !keepGoing {
				return fmt.Errorf("%s does not look like a cloud's data directory (%w); --force removes it all the same", data, err)
			}
			if _, err := down(cmd.Context(), data, false); err != nil {
				return err
			}
			if err := wire.Wipe(cmd.Context(), abs); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s and all that came of it are gone\n", data)
			return nil
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&keepGoing, "force", false, "wipe even where the directory does not look like a cloud's")
	return cmd
}

func openrcCommand() *cobra.Command {
	var data, project string
	cmd := &cobra.Command{
		Use:   "openrc",
		Short: "Print the OS_* variables of a project, to be sourced",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := wire.AccessOf(data, project)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), a.OpenRC())
			return err
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().StringVar(&project, "project", "admin", "admin or demo")
	return cmd
}
