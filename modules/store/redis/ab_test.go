package redis

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"featurestore/modules/store"
)

func TestAB(t *testing.T) {
	ctx := context.Background()
	o := open(t)
	g := groupOf(1)
	const n = 1000
	stamp := int64(1_700_000_000_000_000)
	scripts := map[string]script{}
	for _, f := range os.Args {
		_ = f
	}
	for _, name := range []string{"old", "new", "c"} {
		b, err := os.ReadFile("/tmp/e/merge." + name + ".lua")
		if err != nil {
			continue
		}
		scripts[name] = newScript(string(b))
	}
	best := map[string]time.Duration{}
	for range 40 {
		for name, s := range scripts {
			mergeScript = s
			one := func(what string, rows []store.PackedRow) {
				_, s0 := used(t, o)
				if _, err := o.Merge(ctx, g, 0, true, rows); err != nil {
					t.Fatal(err)
				}
				_, s1 := used(t, o)
				k := name + " " + what
				if d, ok := best[k]; !ok || s1-s0 < d {
					best[k] = s1 - s0
				}
			}
			_ = o.Sweep(ctx, g)
			stamp++
			rows := packedRows(n, 0, 20, stamp)
			one("absent", rows)
			stamp++
			rows = packedRows(n, 0, 20, stamp)
			one("whole", rows)
			one("older", rows)
			stamp++
			one("half", packedRows(n, 0, 10, stamp))
			stamp++
			one("half2", packedRows(n, 10, 20, stamp))
			stamp++
			one("half3", packedRows(n, 5, 15, stamp))
		}
	}
	for _, w := range []string{"absent", "whole", "older", "half", "half2", "half3"} {
		for _, name := range []string{"old", "new", "c"} {
			fmt.Printf("%s %s %.2f µs   ", name, w, float64(best[name+" "+w])/1e3/n)
		}
		fmt.Println()
	}
}
