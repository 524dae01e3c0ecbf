// Command altostack is a whole cloud in one executable: 'altostack up' runs it,
// the other commands look at it, use it and end it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the build.
var version = "dev"

// Exit codes; scripts rely on them.
const (
	exitFailed = 1
	exitUsage  = 2
	exitDown   = 3 // the cloud is not up, or not healthy
)

// coded is an error with its own exit code.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "altostack:", err)
	var c coded
	if errors.As(err, &c) {
		os.Exit(c.code)
	}
	os.Exit(exitFailed)
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "altostack",
		Short: "A whole OpenStack-compatible cloud in one executable",
		Long: `altostack runs a whole OpenStack-compatible cloud: identity, compute, placement,
image, network and block storage, with real guests (QEMU) or pretended ones.

  altostack up --data DIR --detach      start a cloud that keeps everything in DIR
  altostack status --data DIR           what runs, where, and what is unhealthy
  source DIR/openrc; openstack server list
  altostack trace SERVER --data DIR     the 29 steps of a server's boot
  altostack down --data DIR             end it; guests stay unless --guests stop
  altostack wipe --data DIR             remove all that it ever made here`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return coded{fmt.Errorf("%w; '%s --help' shows the flags", err, c.CommandPath()), exitUsage}
	})
	cmd.AddCommand(upCommand(), statusCommand(), downCommand(), wipeCommand(), openrcCommand(), traceCommand(),
		configCommand(), policyCommand(), auditCommand(), demoCommand(), benchCommand(), coverageCommand(), identityCommand(), imageCommand(), manCommand())
	return cmd
}

// dataFlag adds --data, which nearly every command has.
func dataFlag(cmd *cobra.Command, into *string) {
	def := os.Getenv("ALTOSTACK_DATA")
	if def == "" {
		def = "/var/lib/altostack"
	}
	cmd.Flags().StringVar(into, "data", def, "data directory of the cloud (or ALTOSTACK_DATA)")
}
