package alerts

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
)

func TestReceiversAreReadStrictly(t *testing.T) {
	r, err := ParseReceiver([]byte(`{"name": "data_science", "kind": "slack", "url_file": "slack-url", "owners": ["data_science_team"], "min_severity": "error", "groups": ["purchases"]}`))
	require.NoError(t, err)
	require.Equal(t, Receiver{Name: "data_science", Kind: Slack, URLFile: "slack-url", Owners: []string{"data_science_team"}, Groups: []string{"purchases"}, MinSeverity: Error}, r)
	r, err = ParseReceiver([]byte(`{"name": "a", "kind": "email", "url_env": "SMTP_URL", "secret_env": "SMTP_PASSWORD", "to": ["a@example.org"]}`))
	require.NoError(t, err)
	require.Equal(t, Receiver{Name: "a", Kind: Email, URLEnv: "SMTP_URL", SecretEnv: "SMTP_PASSWORD", To: []string{"a@example.org"}, MinSeverity: Warn}, r)
	r, err = ParseReceiver([]byte(`{"name": "a", "kind": "webhook", "url_file": "/run/secrets/url", "secret_file": "deep/er", "description": null}`))
	require.NoError(t, err)
	require.Equal(t, Receiver{Name: "a", Kind: Webhook, URLFile: "/run/secrets/url", SecretFile: "deep/er", MinSeverity: Warn}, r)

	for text, wanted := range map[string][]string{
		`{}`:               {"kind: must be given", "name: a name is", "url_file: must be given"},
		`[]`:               {": expected an object"},
		`{"name": "a"`:     {": expected an object"},
		`{"a": 1, "a": 2}`: {": expected an object"},
		`{"name": "A b", "kind": "pager", "url_file": 7, "min_severity": "fatal", "owner": "me"}`: {
			"kind: use webhook, slack, email", "min_severity: use info, warn, error", "name: a name is", "owner: unknown member", "url_file: expected a string", "url_file: must be given"},
		`{"name": "a", "kind": "slack", "url_file": "a", "url_env": "B", "secret_file": "a", "secret_env": "B", "to": ["a@example.org"]}`: {
			"secret_env: Slack's address is the secret", "secret_env: stands beside secret_file", "secret_file: Slack's address is the secret", "to: only e-mail", "url_env: stands beside url_file"},
		`{"name": "a", "kind": "email", "url_env": "FEATURESTORE_POSTGRES_URL", "secret_file": "../x"}`: {
			"secret_file: leads out of", "to: must be given", "url_env: variables that begin with FEATURESTORE_"},
		`{"name": "a", "kind": "email", "url_env": "A-B", "to": ["A <a@example.org>", "b@example.org\r\nRCPT TO:<c@example.org>", "d@example.org", "d@example.org"]}`: {
			"to[0]: expected an e-mail address", "to[1]: expected an e-mail address", "to[3]: given twice", "url_env: expected the name of"},
		`{"name": "a", "kind": "webhook", "url_file": "a", "owners": "me", "groups": [1, ""]}`: {
			"groups[0]: expected a string", "owners: expected a list"},
	} {
		_, err := ParseReceiver([]byte(text))
		problem, ok := fault.As(err)
		require.True(t, ok, text)
		require.Equal(t, fault.Unprocessable, problem.Kind)
		got := []string{}
		for _, v := range problem.Violations {
			got = append(got, v.Location+": "+v.Message)
		}
		require.Len(t, got, len(wanted), "%s: %q", text, got)
		for _, begin := range wanted {
			require.True(t, slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, begin) }), "%s: no %q in %q", text, begin, got)
		}
	}
}
