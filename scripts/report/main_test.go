package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	for _, c := range []struct {
		name   string
		events string
		want   string
		total  tally
	}{
		{"passed, with a measurement", `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: measured: 3 kills\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:6: something else\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.2}`,
			"      TestA: 3 kills\nok    p  0.2 s  1 passed\n", tally{passed: 1}},
		{"subtests count, not what holds them", `
{"Action":"pass","Package":"p","Test":"TestA/one","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestA/two","Elapsed":0}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0}`,
			"ok    p  0.0 s  2 passed\n", tally{passed: 2}},
		{"failed, with all it said", `
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: wrong\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":0}`,
			"    a_test.go:5: wrong\n--- FAIL: TestA (0.00s)\nFAIL\nFAIL  p  0.0 s  0 passed, 1 failed\n", tally{failed: 1}},
		{"left out, and why", `
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:5: left out: no server\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0}`,
			"skip  p TestA: left out: no server\nok    p  0.0 s  0 passed, 1 skipped\n", tally{skipped: 1}},
		{"slow", `
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":12.3}
{"Action":"pass","Package":"p","Elapsed":12.4}`,
			"slow  p TestA took 12 s\nok    p  12.4 s  1 passed\n", tally{passed: 1}},
		{"a panic ends the package in the middle of a test", `
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: oh\n"}
{"Action":"fail","Package":"p","Elapsed":1}`,
			"panic: oh\nFAIL  p  1.0 s  0 passed, 1 failed\n", tally{failed: 1}},
		{"code that does not compile", `
{"ImportPath":"p","Action":"build-output","Output":"p.go:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}`,
			"p.go:1: syntax error\nFAIL\tp [build failed]\nFAIL  p  0.0 s  0 passed, 1 failed\n", tally{failed: 1}},
		{"a package without tests", `
{"Action":"output","Package":"p","Output":"?   \tp\t[no test files]\n"}
{"Action":"skip","Package":"p","Elapsed":0}`,
			"", tally{}},
		{"what go itself says", `
no such package
`, "no such package\n", tally{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			r := &report{out: &out, packages: map[string]*tests{}}
			require.NoError(t, r.read(strings.NewReader(strings.TrimPrefix(c.events, "\n"))))
			require.Equal(t, c.want, out.String())
			require.Equal(t, c.total, r.total)
		})
	}
}

func TestALongOutputLosesItsMiddle(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	lines := make([]string, 3*longest)
	for i := range lines {
		lines[i] = "line\n"
	}
	r.show(lines)
	require.Equal(t, longest+1, strings.Count(out.String(), "\n"))
	require.Contains(t, out.String(), "800 lines left out")

	out.Reset()
	r.show([]string{strings.Repeat("é", widest) + "\n"})
	require.Equal(t, strings.Repeat("é", widest/2)+"…\n", out.String())
}
