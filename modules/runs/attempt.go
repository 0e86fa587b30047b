package runs

import (
	"encoding/json"
	"math/rand/v2"
	"time"
)

// keptAttempts is how many of those that did not end a run are remembered.
const keptAttempts = 20

// attemptsOf reads what ended puts into the table.
func attemptsOf(text string) (tries []Attempt) {
	if json.Unmarshal([]byte(text), &tries) != nil {
		return nil
	}
	return tries
}

// ended is what the table says of the run's attempts when this one ends without ending the run.
func (run *Run) ended(at time.Time, reason string) string {
	tries := append(run.Ended[:len(run.Ended):len(run.Ended)],
		Attempt{Number: run.Attempts, Process: run.Process, StartedAt: run.StartedAt, EndedAt: at.UTC(), Reason: reason})
	tries = tries[max(0, len(tries)-keptAttempts):]
	text, err := json.Marshal(tries)
	if err != nil { // times beyond the year 9999
		return ""
	}
	return string(text)
}

// delay is how long a run waits before it is tried again, after so many attempts have failed before: it doubles each time, and is cut by up
// to a half at random, so that what failed together does not come back together. share is from [0, 1).
func delay(backoff time.Duration, failures int, share float64) time.Duration {
	for range failures {
		if backoff >= maxBackoff {
			break
		}
		backoff *= 2
	}
	backoff = min(backoff, maxBackoff)
	return backoff - time.Duration(share*float64(backoff)/2)
}

// delay of the next retry.
func (a *Active) delay() time.Duration { return delay(a.backoff, a.run.Failures, rand.Float64()) }
