package redis

import (
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"

	"github.com/redis/rueidis"
)

//go:embed packed.lua
var packedText string

//go:embed merge.lua
var mergeText string

//go:embed drop.lua
var dropText string

//go:embed state.lua
var stateText string

//go:embed swap.lua
var swapText string

//go:embed sweep.lua
var sweepText string

//go:embed erasures.lua
var erasuresText string

var (
	mergeScript    = newScript(packedText+mergeText, true)
	dropScript     = newScript(packedText+dropText, true)
	stateScript    = newScript(stateText, true)
	swapScript     = newScript(swapText, false)
	sweepScript    = newScript(sweepText, true)
	erasuresScript = newScript(erasuresText, true)
)

// script is a script and the name by which the server knows it once it has seen it. A harmless one can be repeated when a connection breaks
// and nobody knows whether it has run.
type script struct {
	text, sha string
	harmless  bool
}

func newScript(text string, harmless bool) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:]), harmless}
}

// call is one call of a script.
type call struct{ keys, arguments []string }

// run makes the calls in one pipeline. Those that meet a server which does not know the script, since it has restarted, are made again
// after it has been told.
func run(ctx context.Context, client rueidis.Client, s script, calls ...call) ([]rueidis.RedisResult, error) {
	results := client.DoMulti(ctx, commands(client, s, calls)...)
	var unknown []int
	for i := range results {
		err := results[i].Error()
		if problem, ok := rueidis.IsRedisErr(err); ok && problem.IsNoScript() {
			unknown = append(unknown, i)
		} else if err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
	}
	if len(unknown) == 0 {
		return results, nil
	}
	if err := client.Do(ctx, client.B().ScriptLoad().Script(s.text).Build()).Error(); err != nil {
		return nil, err
	}
	again := make([]call, len(unknown))
	for i, at := range unknown {
		again[i] = calls[at]
	}
	for i, result := range client.DoMulti(ctx, commands(client, s, again)...) {
		if err := result.Error(); err != nil && !rueidis.IsRedisNil(err) {
			return nil, err
		}
		results[unknown[i]] = result
	}
	return results, nil
}

func commands(client rueidis.Client, s script, calls []call) rueidis.Commands {
	made := make(rueidis.Commands, len(calls))
	for i, c := range calls {
		made[i] = client.B().Evalsha().Sha1(s.sha).Numkeys(int64(len(c.keys))).Key(c.keys...).Arg(c.arguments...).Build()
		if s.harmless {
			made[i] = made[i].ToRetryable()
		}
	}
	return made
}
