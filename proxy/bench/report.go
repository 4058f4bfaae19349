// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/template"
)

// report is what was measured, as the page tells it.
type report struct {
	Machine    machine
	Settings   settings
	Results    []result
	Memory     []memory // none where no session was asked for
	Benchmarks string   // of go test
}

type machine struct{ CPU, Kernel, Go string }

func (b *bench) measure(ctx context.Context) (*report, error) {
	r := &report{Machine: thisMachine(), Settings: b.settings}
	for _, sc := range scenarios() {
		measured, err := b.run(ctx, sc)
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, measured)
	}
	for _, name := range []string{proxyName, compareName} {
		if b.Sessions == 0 {
			break
		}
		m, err := b.memoryWith(ctx, name)
		if err != nil {
			return nil, err
		}
		r.Memory = append(r.Memory, m)
	}
	var err error
	r.Benchmarks, err = goBenchmarks(ctx)
	return r, err
}

// goBenchmarks runs those of the package, which have no network in them.
func goBenchmarks(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench=^BenchmarkAuth$", "-benchmem", "github.com/ingress-auth/conformance/proxy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Benchmark") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, ""), nil
}

func thisMachine() machine {
	m := machine{CPU: "unknown", Kernel: "unknown", Go: runtime.Version()}
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	m.CPU = fmt.Sprintf("%s, %d CPUs", m.CPU, runtime.NumCPU())
	return m
}

// spread is the middle, the least and the most of some rounds.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	s := slices.Sorted(slices.Values(values))
	if len(s) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	return spread{(s[(len(s)-1)/2] + s[len(s)/2]) / 2, s[0], s[len(s)-1]}
}

// over is what a figure of the rounds of one server comes to.
func (r result) over(server string, figure func(figures) float64) spread {
	var values []float64
	for _, f := range r.rounds[server] {
		values = append(values, figure(f))
	}
	return spreadOf(values)
}

// ratio compares two servers round by round.
func (r result) ratio(a, b string, figure func(figures) float64) spread {
	var values []float64
	for i := range min(len(r.rounds[a]), len(r.rounds[b])) {
		values = append(values, figure(r.rounds[a][i])/figure(r.rounds[b][i]))
	}
	return spreadOf(values)
}

func throughput(f figures) float64 { return f.perSecond() }
func p50(f figures) float64        { return us(f.P50) }
func p99(f figures) float64        { return us(f.P99) }
func cpu(f figures) float64        { return f.cpuPerRequest() }
func busy(f figures) float64       { return f.busy() }
func objects(f figures) float64    { return f.objects }
func bytesOf(f figures) float64    { return f.bytes }

// bar is what the proxy has to reach.
type bar struct {
	scenario, what, against string
	figure                  func(figures) float64
	least, most             float64 // of the ratio's median; neither: for information
}

func bars() []bar {
	return []bar{
		{scenario: validSession, what: "throughput", against: compareName, figure: throughput, least: 4},
		{scenario: validSession, what: "p99", against: compareName, figure: p99, most: 0.5},
		{scenario: validSession, what: "throughput", against: limitName, figure: throughput, least: 0.75},
		// What other programs on the machine take of a core shows in throughput and not in this.
		{scenario: validSession, what: "CPU per request", against: compareName, figure: cpu},
		{scenario: validSession, what: "CPU per request", against: limitName, figure: cpu},
		{scenario: validSessionLogged, what: "throughput", against: compareName, figure: throughput, least: 4},
		{scenario: validSessionLogged, what: "p99", against: compareName, figure: p99, most: 0.5},
	}
}

func (b bar) bound() string {
	switch {
	case b.least > 0:
		return fmt.Sprintf("at least %.2f", b.least)
	case b.most > 0:
		return fmt.Sprintf("at most %.2f", b.most)
	}
	return "none"
}

func (b bar) holds(ratio float64) bool {
	switch {
	case b.least > 0:
		return ratio >= b.least
	case b.most > 0:
		return ratio <= b.most
	}
	return true
}

// leastBusy is how much of its core a server must have used for its throughput to be its own. Less means that the load
// generator was too slow, or that something else used the core.
const leastBusy = 0.85

// judged says whether the proxy and another server had their core to themselves.
func (r result) judged(against string) bool {
	return min(r.over(proxyName, busy).median, r.over(against, busy).median) >= leastBusy
}

// missed is an error that names every bar that does not hold, or says that this run cannot tell.
func (r *report) missed() error {
	var errs []error
	for _, b := range bars() {
		res := r.result(b.scenario)
		if !res.judged(b.against) {
			errs = append(errs, fmt.Errorf("%s: %s cannot be judged: not all of the core was used; let nothing else run beside this", b.scenario, b.what))
			continue
		}
		if got := res.ratio(proxyName, b.against, b.figure); !b.holds(got.median) {
			errs = append(errs, fmt.Errorf("%s: %s is %.2f of that of %s, wanted %s", b.scenario, b.what, got.median, b.against, b.bound()))
		}
	}
	return errors.Join(errs...)
}

func (r *report) result(scenario string) result {
	i := slices.IndexFunc(r.Results, func(res result) bool { return res.name == scenario })
	if i < 0 {
		return result{}
	}
	return r.Results[i]
}

// page is the report in Markdown.
func (r *report) page() (string, error) {
	var out strings.Builder
	functions := template.FuncMap{"bars": func() string { return r.barTable() }, "table": scenarioTable, "mib": func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }}
	t, err := template.New("page").Funcs(functions).Parse(pageTemplate)
	if err != nil {
		return "", err
	}
	err = t.Execute(&out, r)
	return out.String(), err
}

func (r *report) barTable() string {
	var b strings.Builder
	for _, bar := range bars() {
		res := r.result(bar.scenario)
		got := res.ratio(proxyName, bar.against, bar.figure)
		verdict := "reached"
		switch {
		case bar.bound() == "none":
			verdict = ""
		case !res.judged(bar.against):
			verdict = "**cannot be judged**: not all of the core was used"
		case !bar.holds(got.median):
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s against %s | %s | %.2f (%.2f–%.2f) | %s |\n", bar.scenario, bar.what, bar.against, bar.bound(), got.median, got.least, got.most, verdict)
	}
	return strings.TrimRight(b.String(), "\n")
}

func scenarioTable(r result) string {
	var b strings.Builder
	for _, server := range comparedServers() {
		rate, median, high := r.over(server, throughput), r.over(server, p50), r.over(server, p99)
		fmt.Fprintf(&b, "| %s | %.0f (%.0f–%.0f) | %.0f (%.0f–%.0f) | %.0f (%.0f–%.0f) | %.1f | %.0f | %.0f | %.0f %% | %d |\n", server,
			rate.median, rate.least, rate.most, median.median, median.least, median.most, high.median, high.least, high.most,
			r.over(server, cpu).median, r.over(server, objects).median, r.over(server, bytesOf).median, 100*r.over(server, busy).median, r.header[server])
	}
	return strings.TrimRight(b.String(), "\n")
}
