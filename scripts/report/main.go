// Command report turns the events of go test -json, read from standard input, into what a person wants of a log: one line
// for each package, the whole output of what failed, what was left out and why, what took long, and what tests measured (the
// lines that they log with "measured: "). It exits with 1 if anything failed or nothing ran.
//
//	go test -json ./... | report [-counts FILE]
//
// FILE gets the line "PASSED FAILED SKIPPED".
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	counts := flag.String("counts", "", "file for the three numbers passed, failed, skipped")
	flag.Parse()
	r := &report{out: os.Stdout, packages: map[string]*tests{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if *counts != "" {
		line := fmt.Sprintf("%d %d %d\n", r.total.passed, r.total.failed, r.total.skipped)
		if err := os.WriteFile(*counts, []byte(line), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "report:", err)
			os.Exit(1)
		}
	}
	if r.total.passed == 0 && r.total.failed == 0 {
		fmt.Println("no test ran")
	}
	if r.total.failed > 0 || r.total.passed == 0 {
		os.Exit(1)
	}
}

// slow is the number of seconds from which on a test is named.
const slow = 10

// longest is how many lines of one failed test are shown.
const longest = 400

type event struct {
	Action     string
	Package    string
	ImportPath string // of a package that does not compile
	Test       string
	Output     string
	Elapsed    float64
}

type tally struct{ passed, failed, skipped int }

// tests is what is known of one package.
type tests struct {
	tally
	output map[string][]string // of tests that have not ended, by name; "" is the package's own
	parent map[string]bool     // tests that have subtests: these are counted instead
}

type report struct {
	out      io.Writer
	packages map[string]*tests
	total    tally
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				r.add(e)
			} else {
				fmt.Fprint(r.out, string(line)) // go test itself says something
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	if e.Action == "build-output" {
		fmt.Fprint(r.out, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &tests{output: map[string][]string{}, parent: map[string]bool{}}
		r.packages[e.Package] = p
	}
	switch e.Action {
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, p)
			return
		}
		r.endTest(e, p)
		delete(p.output, e.Test)
	}
}

func (r *report) endTest(e event, p *tests) {
	if at := strings.LastIndexByte(e.Test, '/'); at > 0 {
		p.parent[e.Test[:at]] = true
	}
	leaf := !p.parent[e.Test]
	switch e.Action {
	case "pass":
		if leaf {
			p.passed++
		}
		for _, line := range p.output[e.Test] {
			if _, said, found := strings.Cut(line, ": measured: "); found {
				fmt.Fprintf(r.out, "      %s: %s", e.Test, said)
			}
		}
	case "fail":
		if leaf {
			p.failed++
		}
		r.show(p.output[e.Test])
	case "skip":
		if leaf {
			p.skipped++
		}
		fmt.Fprintf(r.out, "skip  %s %s: %s\n", e.Package, e.Test, reason(p.output[e.Test]))
	}
	if e.Elapsed >= slow && leaf {
		fmt.Fprintf(r.out, "slow  %s %s took %.0f s\n", e.Package, e.Test, e.Elapsed)
	}
}

func (r *report) endPackage(e event, p *tests) {
	word := "ok  "
	if e.Action == "fail" {
		word = "FAIL"
		// What never ended: a panic, a time limit, or code that does not compile.
		for _, name := range names(p.output) {
			r.show(p.output[name])
		}
		p.failed = max(p.failed, 1)
	}
	r.total.passed += p.passed
	r.total.failed += p.failed
	r.total.skipped += p.skipped
	if e.Action == "skip" {
		return // no test files
	}
	fmt.Fprintf(r.out, "%s  %s  %.1f s  %d passed", word, e.Package, e.Elapsed, p.passed)
	if p.failed > 0 {
		fmt.Fprintf(r.out, ", %d failed", p.failed)
	}
	if p.skipped > 0 {
		fmt.Fprintf(r.out, ", %d skipped", p.skipped)
	}
	fmt.Fprintln(r.out)
}

// show prints a failed test's output, the middle left out where it is very long.
func (r *report) show(lines []string) {
	for i, line := range lines {
		if len(lines) > longest && i >= longest/2 && i < len(lines)-longest/2 {
			if i == longest/2 {
				fmt.Fprintf(r.out, "      … %d lines left out …\n", len(lines)-longest)
			}
			continue
		}
		fmt.Fprint(r.out, shorten(line))
	}
}

// widest is how many bytes of one line are shown.
const widest = 1000

func shorten(line string) string {
	if len(line) <= widest {
		return line
	}
	return strings.ToValidUTF8(line[:widest], "") + "…\n"
}

// reason is what a skipped test said, without the frame that go test puts around it.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, after, found := strings.Cut(line, ".go:"); found {
			if _, text, found := strings.Cut(after, ": "); found {
				line = text
			}
		}
		said = append(said, line)
	}
	return strings.Join(said, " ")
}

func names(output map[string][]string) []string {
	all := make([]string, 0, len(output))
	for name := range output {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
