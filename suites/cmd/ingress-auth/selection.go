// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ingress-auth/conformance/fixtures"
	"github.com/ingress-auth/conformance/suites"
	"github.com/ingress-auth/conformance/suites/contract"
)

// selectionFlags are the ways to choose requirements, shared by run and list.
type selectionFlags struct {
	areas, profiles, levels, features, labels []string
	failedOf, revision                        string
}

func (f *selectionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.areas, "area", nil, "only requirements of these areas, such as backend-401")
	flags.StringSliceVar(&f.profiles, "profile", nil, "only requirements of these profiles: core, nginx-annotations, oauth2-proxy, security")
	flags.StringSliceVar(&f.levels, "level", nil, "only requirements of these levels: MUST, SHOULD, MAY")
	flags.StringSliceVar(&f.features, "feature", nil, "only requirements that need one of these features, such as signin")
	flags.StringSliceVar(&f.labels, "label", nil, "only requirements with one of these labels: an area, a profile, a feature, or the row of a truth table, such as B19")
	flags.StringVar(&f.revision, "revision", "", "revision of the contract to score by, such as 2026-11, with the levels it has (default: the newest); what was added later is run and does not count")
	flags.StringVar(&f.failedOf, "failed-of", "", "only what did not hold, or could not be judged, in this report.json; nothing when everything held")
}

// choose reads the catalogue as the revision has it and selects from it. ids are IDs, or prefixes that end in a hyphen.
func (f *selectionFlags) choose(ids []string) (*suites.Catalogue, contract.Selection, []contract.Requirement, error) {
	catalogue, err := suites.NewCatalogue(fixtures.FS())
	if err != nil {
		return nil, contract.Selection{}, nil, err
	}
	revision, err := f.loadRevision()
	if err != nil {
		return nil, contract.Selection{}, nil, err
	}
	catalogue.Contract = revision.Of(catalogue.Contract)
	selection := contract.Selection{Areas: f.areas, Features: f.features}
	if len(ids) > 0 {
		selection.IDs = ids
	}
	for _, p := range f.profiles {
		selection.Profiles = append(selection.Profiles, contract.Profile(p))
	}
	for _, l := range f.levels {
		selection.Levels = append(selection.Levels, contract.Level(l))
	}
	selected, err := catalogue.Contract.Select(selection)
	if err != nil {
		return nil, selection, nil, err
	}
	for _, narrow := range []func([]contract.Requirement) ([]contract.Requirement, error){f.labelled, f.failed} {
		before := len(selected)
		if selected, err = narrow(selected); err != nil {
			return nil, selection, nil, err
		}
		if len(selected) == 0 {
			return nil, selection, nil, contract.ErrNothingSelected
		}
		if len(selected) < before { // what the report says of the selection is then the list itself
			selection.IDs = idsOf(selected)
		}
	}
	return catalogue, selection, selected, nil
}

// revisionsDir is where the revisions of the contract stand among the fixtures.
const revisionsDir = "contract/revisions"

func (f *selectionFlags) loadRevision() (contract.Revision, error) {
	return contract.LoadRevision(fixtures.FS(), revisionsDir, f.revision)
}

func idsOf(requirements []contract.Requirement) []string {
	ids := make([]string, 0, len(requirements))
	for _, r := range requirements {
		ids = append(ids, r.ID)
	}
	return ids
}

// labelled keeps the requirements that have one of the labels.
func (f *selectionFlags) labelled(selected []contract.Requirement) ([]contract.Requirement, error) {
	if len(f.labels) == 0 {
		return selected, nil
	}
	found := map[string]bool{}
	kept := slices.DeleteFunc(slices.Clone(selected), func(r contract.Requirement) bool {
		out := true
		for _, label := range f.labels {
			if hasLabel(r, label) {
				found[label], out = true, false
			}
		}
		return out
	})
	for _, label := range f.labels {
		if !found[label] {
			return nil, usage(fmt.Errorf("no requirement of the selection has the label %q: it is no area, profile, feature or row", label))
		}
	}
	return kept, nil
}

func hasLabel(r contract.Requirement, label string) bool {
	return r.Area == label || string(r.Profile) == label || r.Row == label || slices.Contains(r.Features, label)
}

// failed keeps the requirements that are red in the report. One that the contract does not have any more is left out.
func (f *selectionFlags) failed(selected []contract.Requirement) ([]contract.Requirement, error) {
	if f.failedOf == "" {
		return selected, nil
	}
	document, err := readReport(f.failedOf)
	if err != nil {
		return nil, usage(err)
	}
	red := map[string]bool{}
	for _, r := range document.Results {
		red[r.ID] = r.Red()
	}
	return slices.DeleteFunc(slices.Clone(selected), func(r contract.Requirement) bool { return !red[r.ID] }), nil
}
