package runs

import (
	"time"

	"featurestore/app/fault"
)

// MaxWait is how long a call waits for runs at most.
const MaxWait = 10 * time.Minute

// ReadWait reads how long a call may wait for runs, as its query parameter wait says it: "30s"; "" is not at all.
func ReadWait(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > MaxWait {
		return 0, fault.New(fault.Invalid, "invalid-duration", "wait is a duration of at most 10 minutes, such as 30s").
			At("query.wait", text, "write it as 500ms, 30s or 2m")
	}
	return wait, nil
}
