// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingress-auth/conformance/suites/exchange"
)

// area is the results of one area, in their order in the document.
type area struct {
	Name    string
	Results []Result
}

// byArea groups results by area, sorted by name.
func byArea(results []Result) []area {
	index := map[string]int{}
	var areas []area
	for _, r := range results {
		i, seen := index[r.Area]
		if !seen {
			i = len(areas)
			index[r.Area], areas = i, append(areas, area{Name: r.Area})
		}
		areas[i].Results = append(areas[i].Results, r)
	}
	slices.SortFunc(areas, func(a, b area) int { return cmp.Compare(a.Name, b.Name) })
	return areas
}

// hopLine tells one exchange in a line of plain text.
func hopLine(e exchange.Exchange) string {
	return oneLine(fmt.Sprintf("%s → %s  %s %s  %s", e.From, e.To, e.Method, e.URL, hopStatus(e)))
}

func hopStatus(e exchange.Exchange) string {
	if e.Status == 0 {
		return cmp.Or(e.Error, "no response")
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.Status, e.Error))
}

// duration rounds to what a reader cares about.
func duration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
