package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"altostack/kernel/config"
	"altostack/wire"
)

func upCommand() *cobra.Command {
	var data, file string
	var detach bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a whole cloud: APIs, scheduler, conductor and host in one process",
		Long: `Run a whole cloud. Everything it keeps lives under --data; clouds with different
directories and addresses run side by side. With --detach it goes to the
background once every API answers.

Guests outlive the process: ending it, or kill -9, stops none of them, and the
next 'altostack up' takes them over.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags(), data, file)
			if err != nil {
				return coded{err, exitUsage}
			}
			if detach {
				return upDetached(cmd.Context(), cmd.OutOrStdout(), data)
			}
			return up(cmd.Context(), cmd.OutOrStdout(), data, cfg)
		},
	}
	dataFlag(cmd, &data)
	cmd.Flags().BoolVar(&detach, "detach", false, "run in the background; return once every API answers")
	configFlags(cmd, &file)
	return cmd
}

// configFlags gives every setting a flag.
func configFlags(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration file (default DATA/altostack.toml, if it is there)")
	for _, k := range config.Keys {
		cmd.Flags().String(strings.ReplaceAll(k.Name, "_", "-"), k.Default, k.Meaning)
	}
}

func loadConfig(flags *pflag.FlagSet, data, file string) (*config.Config, error) {
	set := map[string]string{}
	for _, k := range config.Keys {
		if f := flags.Lookup(strings.ReplaceAll(k.Name, "_", "-")); f != nil && f.Changed {
			set[k.Name] = f.Value.String()
		}
	}
	required := file != ""
	if !required {
		file = filepath.Join(data, "altostack.toml")
	}
	return config.Load(file, required, os.Environ(), set)
}

// up runs a cloud until it is told to end.
func up(ctx context.Context, out io.Writer, data string, cfg *config.Config) error {
	start := time.Now()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200) // the live heap is small beside the executable: memory is cheaper here than collecting twice as often
	}
	system, err := wire.Open(ctx, wire.Options{Data: data, Config: cfg, Version: version, LogTo: os.Stderr})
	if err != nil {
		return err
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	fmt.Fprintf(out, "altostack %s is up after %d ms at %s\n", version, time.Since(start).Milliseconds(), system.URL())
	fmt.Fprintf(out, "use it: source %s; openstack server list\n", filepath.Join(data, "openrc"))
	for {
		select {
		case <-hup:
			system.Reload()
			continue
		case err := <-system.Failed():
			return errors.Join(err, system.Close())
		case stop := <-system.Asked():
			system.StopGuests(stop)
			return system.Close()
		case <-ctx.Done():
		}
		return system.Close()
	}
}

// upDetached starts this executable again in a session of its own, and waits
// until that answers or dies.
func upDetached(ctx context.Context, out io.Writer, data string) error {
	if err := os.MkdirAll(filepath.Join(data, "log"), 0o711); err != nil {
		return err
	}
	logPath := filepath.Join(data, "log", "altostack.log")
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var args []string
	for _, a := range os.Args[1:] {
		if a != "--detach" && a != "--detach=true" {
			args = append(args, a)
		}
	}
	before, _ := log.Seek(0, io.SeekEnd)
	child := exec.Command(self, args...)
	child.Stdout, child.Stderr = log, log
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		if st, err := wire.AskStatus(ctx, data); err == nil && st.PID == child.Process.Pid && st.Healthy() {
			fmt.Fprintf(out, "altostack is up at %s, process %d, log %s\n", st.URL, st.PID, logPath)
			fmt.Fprintf(out, "use it: source %s; openstack server list\n", filepath.Join(data, "openrc"))
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("it did not start:\n%s", lastLines(logPath, before))
		case <-ctx.Done():
			return fmt.Errorf("it started as process %d but is not healthy; 'altostack status --data %s' says why, the log is %s", child.Process.Pid, data, logPath)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lastLines shows what a child wrote since it was started, the end of it if long.
func lastLines(path string, from int64) string {
	data, err := os.ReadFile(path)
	if err != nil || int64(len(data)) < from {
		return "(no log)"
	}
	text := strings.TrimSpace(string(data[from:]))
	if lines := strings.Split(text, "\n"); len(lines) > 15 {
		text = strings.Join(lines[len(lines)-15:], "\n")
	}
	return text
}
