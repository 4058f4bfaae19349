// SPDX-License-Identifier: Apache-2.0

package capability

import (
	"slices"
	"strings"
	"testing"
)

func TestMissingComesFromTheBoundingSetAndTheKernel(t *testing.T) {
	cases := []struct {
		name, status, last string
		want, wantKnown    []string
		fails              bool
	}{
		{"all there", "Name:\tx\nCapBnd:\t000001ffffffffff\n", "40\n", nil, nil, false},
		{"bit 24 is CAP_SYS_RESOURCE", "CapEff:\t0\nCapBnd:\t000001fffeffffff\n", "40\n", []string{"CAP_SYS_RESOURCE"}, []string{"CAP_SYS_RESOURCE"}, false},
		{"an older kernel without the newest", "CapBnd:\t000000ffffffffff\n", "39\n", []string{"CAP_CHECKPOINT_RESTORE"}, nil, false},
		{"no such line", "CapEff:\t0\n", "40", nil, nil, true},
		{"not a number", "CapBnd:\tall\n", "40", nil, nil, true},
		{"not a last capability", "CapBnd:\t000001ffffffffff\n", "many", nil, nil, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			missing, err := Missing(strings.NewReader(c.status))
			known, knownErr := Known(missing, c.last)
			if (err != nil || knownErr != nil) != c.fails {
				t.Fatalf("errors %v, %v", err, knownErr)
			}
			if !slices.Equal(missing, c.want) || !slices.Equal(known, c.wantKnown) {
				t.Errorf("got %v, known %v; want %v, known %v", missing, known, c.want, c.wantKnown)
			}
		})
	}
}

func FuzzMissing(f *testing.F) {
	f.Add("CapBnd:\t000001fffeffffff\n")
	f.Fuzz(func(t *testing.T, status string) {
		if missing, err := Missing(strings.NewReader(status)); err == nil && len(missing) > len(names) {
			t.Errorf("%d missing", len(missing))
		}
	})
}
