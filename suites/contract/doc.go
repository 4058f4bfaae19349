// SPDX-License-Identifier: Apache-2.0

// Package contract holds what a subject promises and how that promise is judged.
//
//	fixtures/contract/*.yaml ──Load──▶ Contract ──Select──▶ []Requirement
//	                                                            │
//	checks ──observe──▶ []Finding ──────────────────────────▶ Apply ──▶ []Outcome ──Score──▶ Conclusion
//	                                                            ▲
//	fixtures/known/<part>-<version>.yaml ──LoadKnown──▶ []Known ┘
//
// A check says only what it observed: the requirement held (pass), did not hold (fail), does not concern this subject
// (not-applicable) or could not be judged (blocked). The level of the requirement then decides, in one place (Judge), what
// that observation is worth. Nothing that was not observed counts as a pass.
package contract
