package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client gives up rather than hang: a call that was not answered was not acknowledged.
var client = &http.Client{
	Timeout:   20 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64},
}

// call sends a JSON body, if there is one, and returns the answer.
func call(method, url, body string) (status int, answer string, err error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, url, reader)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// mustCall wants a 2xx and decodes the answer into it, unless it is nil.
func mustCall(t *testing.T, method, url, body string, into any) {
	t.Helper()
	status, answer, err := call(method, url, body)
	require.NoError(t, err)
	require.True(t, status/100 == 2, "%s %s: %d %s", method, url, status, answer)
	if into != nil {
		require.NoError(t, json.Unmarshal([]byte(answer), into), answer)
	}
}

// definitions are two groups whose features are always written together, and one that is loaded.
const definitions = `{
  "entity_types": [{"name": "account", "join_keys": [{"name": "account_id", "value_type": "STRING"}]}],
  "groups": [
    {"name": "numbers", "entity_type": "account", "features": [{"name": "n", "value_type": "INTEGER"}, {"name": "n_text", "value_type": "STRING"}]},
    {"name": "mirrors", "entity_type": "account", "features": [{"name": "mirror", "value_type": "INTEGER"}]},
    {"name": "loads", "entity_type": "account", "features": [{"name": "load", "value_type": "INTEGER"}, {"name": "place", "value_type": "INTEGER"}]}
  ]
}`

// define registers the definitions and makes the tables.
func define(t *testing.T, p *program) {
	t.Helper()
	mustCall(t, "POST", p.registry+"/apply", definitions, nil)
}

// write stores one number of an account in two groups.
func (p *program) write(account string, n int64) (status int, online string, err error) {
	body := fmt.Sprintf(`{"n": %d, "n_text": "%d", "mirror": %d}`, n, n, n)
	status, text, err := call("POST", p.store+"/store/account/"+account, body)
	if err != nil || status != http.StatusOK {
		return status, "", err
	}
	var answer struct {
		Online string `json:"online"`
	}
	err = json.Unmarshal([]byte(text), &answer)
	return status, answer.Online, err
}

// mustWrite wants it acknowledged.
func (p *program) mustWrite(t *testing.T, account string, n int64) {
	t.Helper()
	status, _, err := p.write(account, n)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}

// writeAt stores one number of an account in one group, as of a time. It is for goroutines too.
func (p *program) writeAt(t *testing.T, account string, n int64, at time.Time) {
	t.Helper()
	body := fmt.Sprintf(`{"n": %d, "n_text": "%d", "event_time": %q}`, n, n, at.UTC().Format(time.RFC3339Nano))
	status, answer, err := call("POST", p.store+"/store/account/"+account, body)
	if assert.NoError(t, err) {
		assert.Equal(t, http.StatusOK, status, answer)
	}
}

// values are the answer to a read of many entities.
type values struct {
	IDs      []string            `json:"entity_ids"`
	Features map[string][]*int64 `json:"features"`
	Statuses map[string][]string `json:"statuses"`
}

// read fetches features of accounts.
func (p *program) read(accounts []string, features ...string) (v values, err error) {
	body, err := json.Marshal(map[string]any{"entity_ids": accounts, "features": features})
	if err != nil {
		return v, err
	}
	status, answer, err := call("POST", p.store+"/get/account", string(body))
	if err != nil {
		return v, err
	}
	if status != http.StatusOK {
		return v, fmt.Errorf("%d %s", status, answer)
	}
	return v, json.Unmarshal([]byte(answer), &v)
}

// one is the answer to a read of one value.
type one struct {
	Value   *int64 `json:"value"`
	Status  string `json:"status"`
	Offline bool   `json:"-"` // served from the offline store
}

// get reads one value of an account.
func (p *program) get(t *testing.T, account, feature string) (o one) {
	t.Helper()
	response, err := client.Get(p.store + "/get/account/" + account + "/" + feature)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	require.NoError(t, json.Unmarshal(text, &o))
	o.Offline = response.Header.Get("X-Served-From") == "offline"
	return o
}

// getOnline reads one value of an account, as the online copy itself answers. A server that is slow for a moment, so that the
// program reads offline, gets another moment.
func (p *program) getOnline(t *testing.T, account, feature string) (got one) {
	t.Helper()
	await(t, time.Minute, account+" is answered online", func() error {
		if got = p.get(t, account, feature); got.Offline {
			return errors.New("served from the offline store")
		}
		return nil
	})
	return got
}

// requireOnline wants that the online copy itself answers with that number.
func (p *program) requireOnline(t *testing.T, account string, n int64) {
	t.Helper()
	require.Equal(t, one{Value: &n, Status: "PRESENT"}, p.getOnline(t, account, "n"), account)
}

// materialize copies the group numbers and waits until that has succeeded.
func (p *program) materialize(t *testing.T, mode string) {
	t.Helper()
	var answer struct {
		Runs []struct {
			State  string `json:"state"`
			Reason string `json:"reason"`
		} `json:"runs"`
	}
	mustCall(t, "POST", p.store+"/materialize?wait=60s", `{"groups": ["numbers"], "mode": "`+mode+`"}`, &answer)
	for _, run := range answer.Runs {
		require.Equal(t, "succeeded", run.State, run.Reason)
	}
}
