// SPDX-License-Identifier: Apache-2.0

// Command ingress-auth judges whether an ingress authenticates the way its users believe.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/images"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(int(code))
}

// execute runs one command line and returns how the process is to end.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) contract.ExitCode {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	if err != nil && !errors.As(err, new(verdict)) {
		fmt.Fprintln(stderr, "ingress-auth:", firstLine(err, code))
	}
	return code
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "ingress-auth",
		Short: "Judge whether an ingress authenticates the way its users believe",
		Long: `ingress-auth brings up an ingress, an auth service and an identity provider, acts as the browser, and judges what it
observes by a contract of named requirements.

Exit codes: 0 conformant, 1 not conformant, 2 usage, 3 environment not ready, 4 harness error or could not judge,
5 nothing selected, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
		// A word that is no command is a mistake, not a request for help.
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w; see ingress-auth %s --help", err, cmd.Name()))
	})
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(), listCommand(), explainCommand(), compareCommand(), reportCommand(), upCommand(), downCommand(), doctorCommand(), imagesCommand(), versionCommand())
	return root
}

// noArguments refuses words that are not flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasParent() {
		return usage(fmt.Errorf("there is no command %q; see ingress-auth --help", args[0]))
	}
	return usage(fmt.Errorf("%s takes no arguments, not %q", cmd.Name(), args[0]))
}

// verdict ends a run that was judged: its message has been printed.
type verdict struct{ code contract.ExitCode }

func (v verdict) Error() string { return fmt.Sprintf("exit %d", v.code) }

func usage(err error) error { return contract.WithExitCode(err, contract.ExitUsage) }

func exitCode(ctx context.Context, err error) contract.ExitCode {
	var judged verdict
	var notReady *platform.NotReadyError
	var noImage *images.BuildError
	switch {
	case errors.As(err, &judged):
		return judged.code
	case err != nil && ctx.Err() != nil:
		return contract.ExitInterrupted
	case errors.As(err, &notReady), errors.As(err, &noImage):
		return contract.ExitEnvironmentNotReady
	default:
		return contract.ExitCodeOf(err)
	}
}

// firstLine says what ended the process; of an interruption only that.
func firstLine(err error, code contract.ExitCode) string {
	if code == contract.ExitInterrupted {
		return "interrupted; what was started has been taken down"
	}
	return err.Error()
}
