package app

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

// What was found stays found until it is gone; what was taken out is seen nowhere.
func TestWhatIsFoundStays(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		c.Validation.Every = 0 // nothing is evaluated that the scenarios do not ask for
		a := start(t, c)
		scenarios(t, a, "testdata/http/found.txt")
		_, _, metrics := get(t, "http://"+a.Addresses()[0]+"/metrics")
		for rule, rows := range map[string]int{"few_items": 2, "total_given": 1} {
			require.Contains(t, metrics, fmt.Sprintf("featurestore_rule_bad_rows_total{became=\"refused\",group=\"baskets\",rule=%q} %d\n", rule, rows))
		}
		require.NotContains(t, metrics, `became="quarantined",group="baskets"`)
	})
}
