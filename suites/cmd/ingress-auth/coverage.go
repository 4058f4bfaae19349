// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/ingress-auth/conformance/suites/contract"
	"github.com/ingress-auth/conformance/suites/control"
	"github.com/ingress-auth/conformance/suites/report"
)

// coverage says for how much of the contract the controls prove that its checks can fail.
func coverage(c *contract.Contract, controls control.Set) *report.Coverage {
	var ids []string
	for _, r := range c.Judged() {
		ids = append(ids, r.ID)
	}
	byControls, byGateways := controls.Coverage(ids)
	return &report.Coverage{Requirements: len(ids), Killed: byControls + byGateways, ByControls: byControls, ByGateways: byGateways}
}

// withKillers adds to each result what turns its requirement red in the tests.
func withKillers(document report.Document, controls control.Set) report.Document {
	for i := range document.Results {
		for _, k := range controls.KilledBy(document.Results[i].ID) {
			document.Results[i].KilledBy = append(document.Results[i].KilledBy, report.Killer{ID: k.ID, Sentence: k.Sentence})
		}
	}
	return document
}
