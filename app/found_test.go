package app

import (
	"testing"

	"featurestore/config"
)

// What was found stays found until it is gone; what was taken out is seen nowhere.
func TestWhatIsFoundStays(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0 // nothing is evaluated that the scenarios do not ask for
		scenarios(t, start(t, c), "testdata/http/found.txt")
	})
}
