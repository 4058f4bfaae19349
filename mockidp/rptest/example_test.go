// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
	"github.com/ingress-auth/conformance/mockidp/rptest"
)

// A relying party of your own needs a function that starts it for an issuer, and the paths of its endpoints. Here it is a
// handler of this process whose sessions are not refreshed, and which forgets to compare the nonce.
func ExampleRun() {
	driver := rptest.Driver{
		Start: func(ctx context.Context, s rptest.Setting) (*rptest.RelyingParty, error) {
			return startSample(ctx, s, []string{"nonce"}) // yours: it gets s.Issuer, s.ClientID, s.ClientSecret, s.CAFile
		},
		LoginPath: "/login", CallbackPath: "/callback", AuthPath: "/me", SessionCookie: "session",
	}
	var faults []mockidp.Fault
	for _, id := range []string{"C-AUD", "C-NONCE-WRONG", "H-TLS-EXPIRED", "X-MIXUP"} {
		fault, err := mockidp.FindFault(id)
		if err != nil {
			fmt.Println(err)
			return
		}
		faults = append(faults, fault)
	}
	results, err := rptest.Run(context.Background(), driver, faults, rptest.Options{Parallel: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(strings.TrimSpace(r.Fault.ID + " " + r.Verdict + " " + r.Reason))
	}
	// Output:
	// C-AUD pass
	// C-NONCE-WRONG fail It gave access.
	// H-TLS-EXPIRED pass
	// X-MIXUP pass
}
