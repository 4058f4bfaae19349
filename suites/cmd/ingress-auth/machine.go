// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/suites/platform"
	"github.com/ingress-auth/conformance/suites/platform/doctor"
	"github.com/ingress-auth/conformance/suites/platform/images"
)

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Say what this machine has and lacks for a run, and what to do about it", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			results := doctor.Run(cmd.Context(), doctor.Options{})
			if err := doctor.Write(cmd.OutOrStdout(), results, colored(cmd.OutOrStdout())); err != nil {
				return err
			}
			if doctor.Failed(results) {
				return &platform.NotReadyError{What: "this machine is not ready", Do: "do what the lines above say"}
			}
			return nil
		},
	}
}

func imagesCommand() *cobra.Command {
	var f kindFlags
	build := false
	cmd := &cobra.Command{
		Use: "images", Short: "List the container images and where each is from; with --get, get them", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return usage(err)
			}
			if build {
				if _, err := f.ensureImages(cmd.Context(), newConsole(cmd.ErrOrStderr())); err != nil {
					return err
				}
			}
			store, manifest, err := f.store()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "IMAGE\tSTATE\tMB\tORIGIN")
			for _, s := range store.List(cmd.Context(), manifest, images.Mode(f.images)) {
				fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", s.Image.Name, describe(s), s.Size>>20, s.Built.Origin)
			}
			return w.Flush()
		},
	}
	f.addImages(cmd)
	f.engine = "auto"
	cmd.Flags().BoolVar(&build, "get", false, "get every image that is not there")
	return cmd
}

func describe(s images.State) string {
	switch {
	case s.Err != nil:
		return "unknown: " + s.Err.Error()
	case s.Present:
		return "present"
	default:
		return "absent"
	}
}
