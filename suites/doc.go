// SPDX-License-Identifier: Apache-2.0

// Package suites is what is judged: the checks, the judge that runs them and their binding to Ginkgo.
//
//	requirement (fixtures/contract) ─▶ check ─▶ routes are exposed ─▶ the browser acts ─▶ what was observed
//	                                                                                          │
//	                                        report ◀─ contract.Apply ◀─ findings ◀────────────┘
//
// A check is a plain function on a Trial. Ginkgo names, labels and reports the checks; a Judge runs them, so that unit
// tests and controls run the same checks without Ginkgo. One file per topic:
//
//	redirects.go, signin.go    to the sign-in page and back
//	statuscodes.go             what the client gets for each answer of the auth service
//	authrequest.go             what the auth service is asked
//	errorpages.go              custom error pages meet the auth request
//	authservice.go             what the auth service itself answers
//	backend401.go, …_rows.go   a backend's own 401
//	admission.go               which routes the gateway takes, and what a bad one does to the others
//	documents.go               two documents that many copy from
//	outside.go                 what can be judged of something that already runs, without a session
package suites
