package redis

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"featurestore/modules/registry"
	"featurestore/modules/store"
)

//go:embed merge.lua
var mergeText string

//go:embed swap.lua
var swapText string

var mergeScript, swapScript = newScript(mergeText), newScript(swapText)

// script is a script and the name by which the server knows it once it has seen it.
type script struct{ text, sha string }

func newScript(text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:])}
}

// call is one call of a script.
type call struct{ keys, arguments []string }

// run makes the calls in one pipeline, by name; where the server does not know the script, again with its text.
func (o *Online) run(ctx context.Context, s script, calls []call) ([]rueidis.RedisResult, error) {
	client, err := o.client()
	if err != nil {
		return nil, err
	}
	commands := make(rueidis.Commands, len(calls))
	for i, c := range calls {
		commands[i] = client.B().Evalsha().Sha1(s.sha).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.arguments...).Build()
	}
	results := client.DoMulti(ctx, commands...)
	for i := range results {
		if problem, ok := rueidis.IsRedisErr(results[i].Error()); ok && problem.IsNoScript() {
			c := calls[i]
			results[i] = client.Do(ctx, client.B().Eval().Script(s.text).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.arguments...).Build())
		}
		if err := results[i].Error(); err != nil {
			return nil, err
		}
	}
	return results, nil
}

const (
	mergeRows  = 100     // of one call: few enough that the server is not held up
	mergeBytes = 1 << 20 // of one pipeline, about
)

// Merge runs the script over the rows, about a hundred a call.
func (o *Online) Merge(ctx context.Context, group *registry.Group, fence int64, unmarked bool, rows []store.PackedRow) (store.Merged, error) {
	may := "0"
	if unmarked {
		may = "1"
	}
	marker, state, prefix := o.keys.marker(group), o.keys.state(group), o.keys.rows(group)
	head := strconv.FormatInt(fence, 10)
	var merged store.Merged
	for len(rows) > 0 {
		var calls []call
		for size := 0; len(rows) > 0 && size < mergeBytes; {
			n := min(len(rows), mergeRows)
			c := call{keys: make([]string, 2, 2+n), arguments: make([]string, 2, 2+2*n)}
			c.keys[0], c.keys[1], c.arguments[0], c.arguments[1] = marker, state, head, may
			for i := range rows[:n] {
				c.keys = append(c.keys, prefix+rows[i].Key.Encoded)
				c.arguments = append(c.arguments, rows[i].Row, strconv.FormatInt(rows[i].Expires, 10))
				size += len(rows[i].Row)
			}
			calls, rows = append(calls, c), rows[n:]
		}
		results, err := o.run(ctx, mergeScript, calls)
		if err != nil {
			return merged, fmt.Errorf("write %s to Redis: %w", group.Name, err)
		}
		for i := range results {
			if err := take(&merged, &results[i]); err != nil {
				return merged, fmt.Errorf("write %s to Redis: %w", group.Name, err)
			}
		}
		if merged.Refused || merged.Unmarked {
			return merged, nil
		}
	}
	return merged, nil
}

// take adds what one call answered.
func take(merged *store.Merged, result *rueidis.RedisResult) error {
	answer, err := result.ToArray()
	if err != nil {
		return err
	}
	numbers := make([]int64, len(answer))
	for i := range answer {
		if numbers[i], err = answer[i].AsInt64(); err != nil {
			return err
		}
	}
	merged.Refused = merged.Refused || numbers[0] == 1
	merged.Unmarked = merged.Unmarked || numbers[0] == 2
	merged.Written += int(numbers[1])
	merged.Older += int(numbers[2])
	merged.Fence = max(merged.Fence, numbers[3])
	return nil
}

// Swap compares every member of the state, and the server's run, and replaces them in one step.
func (o *Online) Swap(ctx context.Context, group *registry.Group, from, to store.State) (bool, error) {
	c := call{keys: []string{o.keys.marker(group), o.keys.state(group)}}
	for _, s := range []store.State{from, to} {
		c.arguments = append(c.arguments, s.Marker, s.Watermark.Store, string(s.Watermark.Position),
			strconv.FormatInt(s.Watermark.TTL, 10), strconv.FormatInt(s.Fence, 10), s.Server)
	}
	results, err := o.run(ctx, swapScript, []call{c})
	if err != nil {
		return false, fmt.Errorf("move the watermark of %s: %w", group.Name, err)
	}
	swapped, err := results[0].AsBool()
	if err != nil {
		return false, fmt.Errorf("move the watermark of %s: %w", group.Name, err)
	}
	return swapped, nil
}
