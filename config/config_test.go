package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"featurestore/modules/batch"
	"featurestore/modules/materialization"
	"featurestore/modules/registry"
	"featurestore/modules/runs"
	"featurestore/modules/scheduler"
	"featurestore/modules/store"
	"featurestore/modules/validation"
	"featurestore/modules/validation/alerts"
)

func load(t *testing.T, file string, environment ...string) *Loaded {
	loaded, err := Load(Sources{File: file, Environment: environment})
	require.NoError(t, err)
	return loaded
}

func TestDefaultsAreTheModulesDefaults(t *testing.T) {
	c := load(t, "").Config
	require.Equal(t, Config{
		Roles: []string{All}, Data: "./data",
		HTTP:     HTTP{Listen: []string{"127.0.0.1:8000", "127.0.0.1:8001"}, AllowedHosts: []string{}, TrustedOrigins: []string{}, Grace: 15 * time.Second},
		Engines:  Engines{Registry: SQLite, Offline: SQLite, Online: SQLite},
		Postgres: PostgresServer{Schema: "featurestore"}, Redis: RedisServer{Prefix: "featurestore"},
		Registry:   func() registry.Config { c := registry.DefaultConfig(); c.Require = []string{}; return c }(),
		Validation: validation.DefaultConfig(), Alerts: alerts.DefaultConfig(), Store: store.DefaultConfig(), History: store.DefaultHistory(), Materialization: materialization.DefaultConfig(), Batch: batch.DefaultConfig(),
		Scheduler: scheduler.DefaultConfig(), Runs: runs.DefaultConfig(),
		Log: Log{Level: "info", Format: "text"},
	}, c)
}

func TestEveryKeyIsExplained(t *testing.T) {
	lines := strings.Split(Default(), "\n")
	section := ""
	var named []string
	for i, line := range lines {
		key, _, isKey := strings.Cut(line, ":")
		if !isKey || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if !strings.HasPrefix(line, " ") && strings.HasSuffix(line, ":") {
			section = key + "."
			continue
		}
		if !strings.HasPrefix(line, " ") {
			section = ""
		}
		named = append(named, section+strings.TrimSpace(key))
		require.Contains(t, lines[i-1], "# ", "what is %s?", key)
	}
	var known []string
	for _, s := range settings(&Config{}) {
		known = append(known, s.key)
	}
	require.Equal(t, known, named, "default.yaml has every key, once, in the order of the members")
}

func TestGoodFiles(t *testing.T) {
	load(t, "testdata/good/empty.yaml")

	c := load(t, "testdata/good/many.yaml").Config
	require.Equal(t, []string{"all"}, c.Roles)
	require.Equal(t, "/var/lib/featurestore", c.Data)
	require.Equal(t, HTTP{Listen: []string{"0.0.0.0:8000", "[::1]:8001", "localhost:0"}, AllowedHosts: []string{}, TrustedOrigins: []string{}, Grace: 500 * time.Millisecond}, c.HTTP)
	require.True(t, c.Auth.AllowUnauthenticated)
	require.Equal(t, Engines{Registry: Postgres, Offline: Postgres, Online: SQLite}, c.Engines)
	require.Equal(t, "postgres://someone:p%40ss@db:5432/features?sslmode=disable", c.Postgres.URL.Reveal())
	require.Equal(t, []string{"owner", "description"}, c.Registry.Require)
	require.Equal(t, 90*24*time.Hour, c.Registry.TTL)
	require.Equal(t, 5, c.Store.MaxEntities)
	require.Equal(t, int64(65536), c.Store.MaxBodyBytes)
	require.Equal(t, 90*24*time.Hour, c.Store.FutureTolerance)
	require.Equal(t, 1.0, c.Store.DisagreementRate)
	require.True(t, c.Has(Materialization))

	c = load(t, "testdata/good/split.yaml").Config
	require.True(t, c.Has(Store))
	require.True(t, c.Has(Registry))
	require.False(t, c.Has(Materialization))
	require.False(t, c.Embedded())
}

// Each file of testdata/bad is refused with exactly the mistakes of the .want beside it, in any order; a line there is how a
// mistake begins.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		want, err := os.ReadFile(strings.TrimSuffix(file, "yaml") + "want")
		require.NoError(t, err)
		wanted := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(want), "FILE", file)), "\n")
		_, err = Load(Sources{File: file})
		var errs Errors
		require.ErrorAs(t, err, &errs, file)
		require.Len(t, errs, len(wanted), "%s: %v", file, err)
		for _, begin := range wanted {
			require.True(t, slices.ContainsFunc(errs, func(err error) bool { return strings.HasPrefix(err.Error(), begin) }), "%s: no mistake begins %q in %v", file, begin, err)
		}
	}
}

// A URL that cannot be read is refused without showing any part of it, whatever stands in the password's place.
func TestMistakesShowNoSecret(t *testing.T) {
	for variable, urls := range map[string][]string{
		"FEATURESTORE_POSTGRES_URL": {"somewhere:hidden", "postgres://a:hid/den@h/d", "postgres://a:b%hidden@h/d", "host=h password=b hidden", "postgres://a:hidden@h:port/d",
			"postgres://a:12/hidden@h/d", "postgres://a:12?hidden@h/d", "postgres://a:12#hidden@h/d", "postgres://a:b@12/hidden@h/d"},
		"FEATURESTORE_REDIS_URL": {"somewhere:hidden", "redis://:hid/den@h:6379", "redis://:hidden@h:6379/first", "http://:hidden@h",
			"redis://:12?hidden@h:6379", "redis://:12#hidden@h:6379"},
	} {
		for _, url := range urls {
			_, err := Load(Sources{Environment: []string{variable + "=" + url}})
			require.ErrorContains(t, err, "cannot be understood", url)
			require.NotContains(t, err.Error(), "hid", url)
			require.False(t, strings.Contains(url, "://") && strings.Contains(Secret(url).String(), "hidden"), url)
		}
	}
	_, err := Load(Sources{Environment: []string{"FEATURESTORE_POSTGRES_URL=postgres://a:hidden@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem"}})
	require.EqualError(t, err, "postgres.url names the file /nowhere/ca.pem, which cannot be read: no such file or directory")
}

func TestEnvironment(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "url")
	require.NoError(t, os.WriteFile(secret, []byte("redis://:hidden@cache:6379\n"), 0o600))
	c := load(t, "testdata/good/many.yaml",
		"HOME=/root",
		"FEATURESTORE_STORE_MAX_ENTITIES=7", // over the file's 5
		"FEATURESTORE_STORE_MAX_BODY=1MiB",
		"FEATURESTORE_HTTP_LISTEN=127.0.0.1:1, 127.0.0.1:2",
		"FEATURESTORE_HTTP_ACCESS_LOG=true",
		"FEATURESTORE_HTTP_GRACE=2s",
		"FEATURESTORE_STORE_DISAGREEMENT_RATE=0.25",
		"FEATURESTORE_REDIS_URL_FILE="+secret,
		"FEATURESTORE_DATA=", // empty: not given
		"FEATURESTORE_TEST_POSTGRES_URL=x", "FEATURESTORE_CONFIG=x",
		"FEATURESTORE_SERVICE_HOST=10.0.0.1", "FEATURESTORE_SERVICE_PORT_HTTP=80", "FEATURESTORE_PORT=tcp://10.0.0.1:80",
		"FEATURESTORE_STORE_PORT_8001_TCP_ADDR=10.0.0.1", "FEATURESTORE_STORE_SERVICE_HOST=10.0.0.1",
	).Config
	require.Equal(t, 7, c.Store.MaxEntities)
	require.Equal(t, int64(1<<20), c.Store.MaxBodyBytes)
	require.Equal(t, []string{"127.0.0.1:1", "127.0.0.1:2"}, c.HTTP.Listen)
	require.True(t, c.HTTP.AccessLog)
	require.Equal(t, 2*time.Second, c.HTTP.Grace)
	require.Equal(t, 0.25, c.Store.DisagreementRate)
	require.Equal(t, Secret("redis://:hidden@cache:6379"), c.Redis.URL)
	require.Equal(t, "/var/lib/featurestore", c.Data)
	require.Equal(t, Redis, c.Engines.Online)

	_, err := Load(Sources{Environment: []string{
		"FEATURESTORE_POSTGRESS_URL=x", "FEATURESTORE_COLOR=red", "FEATURESTORE_REDIS_URI_FILE=x", "FEATURESTORE_STORE_WRITERS=two",
		"FEATURESTORE_POSTGRES_URL=a", "FEATURESTORE_POSTGRES_URL_FILE=b", "FEATURESTORE_REDIS_URL_FILE=/nowhere",
	}})
	require.Len(t, err, 6, "%v", err)
	for _, sentence := range []string{
		"FEATURESTORE_POSTGRESS_URL is not a known variable: did you mean FEATURESTORE_POSTGRES_URL?",
		"FEATURESTORE_COLOR is not a known variable",
		"FEATURESTORE_REDIS_URI_FILE is not a known variable: did you mean FEATURESTORE_REDIS_URL_FILE?",
		`store.writers in FEATURESTORE_STORE_WRITERS is "two": expected a whole number`,
		"FEATURESTORE_POSTGRES_URL and FEATURESTORE_POSTGRES_URL_FILE are both set",
		"FEATURESTORE_REDIS_URL_FILE names /nowhere, which cannot be read: no such file or directory",
	} {
		require.ErrorContains(t, err, sentence)
	}
}

func TestEveryKeyIsAVariable(t *testing.T) {
	var environment []string
	defaults := load(t, "")
	for _, s := range settings(&defaults.Config) {
		given := strings.Trim(s.show(), `[]"`)
		if given == "" {
			continue
		}
		environment = append(environment, s.environment()+"="+strings.ReplaceAll(given, `"`, ""))
	}
	again := load(t, "", environment...)
	require.Equal(t, defaults.Config, again.Config)
	require.Len(t, again.origins, len(environment))
}

func TestFlags(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.String("data", "", "")
	flags.StringSlice("listen", nil, "")
	flags.String("log-level", "", "")
	require.NoError(t, flags.Parse([]string{"--data", "elsewhere", "--listen", "127.0.0.1:1,127.0.0.1:2"}))
	byKey := map[string]*pflag.Flag{"data": flags.Lookup("data"), "http.listen": flags.Lookup("listen"), "log.level": flags.Lookup("log-level")}
	loaded, err := Load(Sources{File: "testdata/good/many.yaml", Environment: []string{"FEATURESTORE_DATA=x"}, Flags: byKey})
	require.NoError(t, err)
	require.Equal(t, "elsewhere", loaded.Data)
	require.Equal(t, []string{"127.0.0.1:1", "127.0.0.1:2"}, loaded.HTTP.Listen)
	require.Equal(t, "info", loaded.Log.Level)

	require.NoError(t, flags.Parse([]string{"--log-level", "loud"}))
	_, err = Load(Sources{Flags: byKey})
	require.ErrorContains(t, err, `log.level is "loud"`)
}

func TestUnreadableFile(t *testing.T) {
	_, err := Load(Sources{File: "/nowhere/my.yaml"})
	require.EqualError(t, err, "the settings file /nowhere/my.yaml cannot be read: no such file or directory")
}

func TestShow(t *testing.T) {
	shown := load(t, "testdata/good/many.yaml", "FEATURESTORE_STORE_MAX_ENTITIES=7", "FEATURESTORE_REDIS_URL=redis://:hidden@cache:6379").Show()
	for _, line := range []string{
		"roles: [all] # testdata/good/many.yaml",
		"  max_entities: 7 # FEATURESTORE_STORE_MAX_ENTITIES",
		"  max_body: 64KiB # testdata/good/many.yaml",
		"  max_rows: 10000\n",
		"  grace: 500ms # ",
		"  keep: 90d\n",
		"  offline: postgres\n",
		`  url: "postgres://someone:***@db:5432/features?sslmode=disable" # testdata/good/many.yaml`,
		`  url: "redis://:***@cache:6379" # FEATURESTORE_REDIS_URL`,
	} {
		require.Contains(t, shown, line)
	}
	require.NotContains(t, shown, "hidden")
	require.NotContains(t, shown, "p%40ss")

	file := filepath.Join(t.TempDir(), "shown.yaml")
	require.NoError(t, os.WriteFile(file, []byte(load(t, "").Show()), 0o600))
	require.Equal(t, load(t, "").Config, load(t, file).Config, "what is shown can be read again")
}

func TestList(t *testing.T) {
	of := func(loaded *Loaded) map[string]Setting {
		list, err := loaded.List()
		require.NoError(t, err)
		found := map[string]Setting{}
		for i, s := range list {
			require.Equal(t, settings(&loaded.Config)[i].key, s.Key)
			found[s.Key] = s
		}
		return found
	}
	for key, s := range of(load(t, "")) {
		require.False(t, s.Differs(), key)
	}
	found := of(load(t, "testdata/good/many.yaml", "FEATURESTORE_REDIS_URL=redis://:hidden@cache:6379", "FEATURESTORE_ENGINES_ONLINE=sqlite", "FEATURESTORE_REGISTRY_REQUIRE=owner"))
	require.Equal(t, Setting{"store.max_entities", "5", "10000"}, found["store.max_entities"])
	require.Equal(t, Setting{"redis.url", `"redis://:***@cache:6379"`, `""`}, found["redis.url"])
	require.Equal(t, Setting{"engines.registry", "postgres", "postgres"}, found["engines.registry"], "left to be chosen")
	require.Equal(t, Setting{"engines.online", "sqlite", "redis"}, found["engines.online"], "chosen although there is a Redis")
	require.Equal(t, Setting{"registry.require", "[owner]", "[]"}, found["registry.require"])
}

func TestSecretsAreMasked(t *testing.T) {
	for secret, shown := range map[Secret]string{
		"":                                    "",
		"postgres://a:b@h:5432/d":             "postgres://a:***@h:5432/d",
		"postgres://a@h/d":                    "postgres://a@h/d",
		"postgres:///d?password=b&host=/tmp":  "postgres:///d?password=***&host=/tmp",
		"postgres://h/d?password=b&sslmode=x": "postgres://h/d?password=***&sslmode=x",
		"host=h password=b user=a":            "host=h password=*** user=a",
		"host=h password = 'b c' user=a":      "host=h password = *** user=a",
		"not a url at all: b":                 "***",
		"redis://:b@h:6379":                   "redis://:***@h:6379",
		"postgres://a:b%zz@h":                 "***",
		"postgres://a:b@h1:1,h2:2/d?x=y":      "postgres://a:***@h1:1,h2:2/d?x=y",
		`host=h password=b\ c&d\'e user=a`:    "host=h password=*** user=a",
		`host=h password='b\'c d' user=a`:     "host=h password=*** user=a",
		"password='b c":                       "password=***",
		"postgres://h/d?x=y&pass%77ord=b":     "postgres://h/d?x=y&pass%77ord=***",
		"postgres://h/d?sslPassword=b":        "postgres://h/d?sslPassword=***",
		"postgres://a:12/b@h/d":               "***",
		"redis://:12#b@h:6379":                "***",
		"redis://b@h:6379/0":                  "redis://***@h:6379/0",
		"unix:///run/redis.sock?db=1":         "unix:///run/redis.sock?db=1",
	} {
		require.Equal(t, shown, secret.String(), "%q", string(secret))
		require.NotContains(t, fmt.Sprintf("%v %+v %s %q", secret, struct{ S Secret }{secret}, secret, secret), ":b@")
		text, err := secret.MarshalText()
		require.NoError(t, err)
		require.Equal(t, shown, string(text))
	}
	_, err := Load(Sources{Environment: []string{"FEATURESTORE_POSTGRES_URL=postgres://a:hidden@h", "FEATURESTORE_ENGINES_ONLINE=x"}})
	require.NotContains(t, err.Error(), "hidden")
}

func TestSizesAndDurations(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1": 1, "1024": 1024, "1KiB": 1024, "2 MiB": 2 << 20, "1GB": 1e9, "1B": 1} {
		n, ok := parseSize(text)
		require.True(t, ok, text)
		require.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "-1", "1.5MiB", "1XB", "KiB", "9999999TiB", "1e3", "99999999999999999999"} {
		_, ok := parseSize(text)
		require.False(t, ok, text)
	}
	for text, want := range map[string]time.Duration{"500ms": 500 * time.Millisecond, "0s": 0, "1h30m": 90 * time.Minute, "90d": 90 * 24 * time.Hour} {
		d, ok := parseDuration(text)
		require.True(t, ok, text)
		require.Equal(t, want, d, text)
		again, ok := parseDuration(formatDuration(d))
		require.True(t, ok)
		require.Equal(t, want, again)
	}
	for _, text := range []string{"", "0", "5", "5 minutes", "1.5d", "-1d", "9999999d"} {
		_, ok := parseDuration(text)
		require.False(t, ok, text)
	}
	require.True(t, errors.As(error(Errors{}), new(Errors)))
}

// What cannot be read is listed together with what is wrong with the others; nothing is said of a setting that is not known.
func TestUnreadableSettingsBesideWrongOnes(t *testing.T) {
	_, err := Load(Sources{Environment: []string{
		"FEATURESTORE_STORE_WRITERS=two", "FEATURESTORE_RUNS_LEASE=1s", "FEATURESTORE_LOG_LEVEL=loud", "FEATURESTORE_HTTP_GRACE=30s",
		"FEATURESTORE_AUTH_ALLOW_UNAUTHENTICATED=perhaps", "FEATURESTORE_HTTP_LISTEN=0.0.0.0:8000", // which may be allowed
		"FEATURESTORE_POSTGRES_URL_FILE=/nowhere", "FEATURESTORE_ENGINES_OFFLINE=postgres", // which may have its URL
	}})
	var errs Errors
	require.ErrorAs(t, err, &errs)
	require.Len(t, errs, 6, "%v", err)
	for _, sentence := range []string{
		"FEATURESTORE_POSTGRES_URL_FILE names /nowhere, which cannot be read",
		`auth.allow_unauthenticated in FEATURESTORE_AUTH_ALLOW_UNAUTHENTICATED is "perhaps"`,
		`store.writers in FEATURESTORE_STORE_WRITERS is "two": expected a whole number`,
		`log.level is "loud"`, "http.grace is 30s", "runs.lease is 1s",
	} {
		require.ErrorContains(t, err, sentence)
	}
}
