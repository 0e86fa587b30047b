package alerts

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConfigNamesEverythingThatIsWrong(t *testing.T) {
	require.Empty(t, DefaultConfig().Validate())
	c := Config{
		RepeatInterval: time.Second, GroupWait: -1, For: 0, ResolveAfter: 2000, Poll: time.Hour, Timeout: time.Hour, Keep: time.Minute,
		ExternalAddress: "features.example.org", EmailFrom: "a b", AllowedTargets: []string{"http://x"},
	}
	got := errors.Join(c.Validate()...).Error()
	for _, key := range []string{"repeat_interval", "group_wait", "for", "resolve_after", "poll", "timeout", "keep", "external_address", "email_from", "allowed_targets", "secrets_folder"} {
		require.Contains(t, got, "alerts."+key)
	}
	require.Equal(t, 11, strings.Count(got, "\n")+1)
	c = DefaultConfig()
	c.ExternalAddress, c.EmailFrom, c.AllowedTargets, c.GroupWait = "https://features.example.org/store", "Features <f@example.org>", []string{"::1", "fd00::/8", "x_y.z"}, 0
	require.Empty(t, c.Validate())
}

func TestPatterns(t *testing.T) {
	for _, fit := range [][2]string{{"", "x"}, {"*", ""}, {"*", "abc"}, {"abc", "abc"}, {"a*", "a"}, {"a*c", "abc"}, {"a*b*c", "axbyc"}, {"*b*", "abc"}, {"a**c", "ac"}, {"a*a", "aa"}} {
		require.True(t, fits(fit[0], fit[1]), fit)
	}
	for _, not := range [][2]string{{"abc", "abcd"}, {"abc", "ab"}, {"a*", "ba"}, {"*a", "ab"}, {"a*a", "a"}, {"a*b*c", "acb"}, {"a.c", "abc"}, {"a?", "ab"}, {"x", ""}} {
		require.False(t, fits(not[0], not[1]), not)
	}
}
