package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// compose reads ../../compose.yaml as docker compose does.
func compose(t *testing.T) *types.Project {
	options, err := cli.NewProjectOptions([]string{"../../compose.yaml"})
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestCompose(t *testing.T) {
	project := compose(t)
	require.ElementsMatch(t, []string{"registry", "store", "postgres", "redis", "secrets"}, project.ServiceNames())
	var memory int64
	var has []string
	for name, service := range project.Services {
		memory += int64(service.MemLimit)
		require.NotZero(t, service.MemLimit, name)
		require.False(t, service.Privileged, name)
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is published to other machines", name)
		}
		for _, volume := range service.Volumes {
			require.Equal(t, types.VolumeTypeVolume, volume.Type, name)
			require.Contains(t, project.Volumes, volume.Source, name)
		}
		for variable, value := range service.Environment {
			require.NotNil(t, value, "%s: %s comes from the machine", name, variable)
			if variable != "FEATURESTORE_WEB_STORE_ADDRESS" { // which people are shown
				require.NotContains(t, *value, "://", "%s: a URL with its password", name)
			}
			if strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "URL") {
				require.True(t, strings.HasSuffix(variable, "_FILE") && strings.HasPrefix(*value, "/secrets/"), "%s: %s", name, variable)
			}
		}
		if name == "secrets" {
			require.Equal(t, "none", service.NetworkMode)
			continue
		}
		require.NotNil(t, service.HealthCheck, name)
		require.Equal(t, "unless-stopped", service.Restart, name)
		if name == "postgres" || name == "redis" {
			require.Equal(t, types.ServiceConditionCompletedSuccessfully, service.DependsOn["secrets"].Condition, name)
			require.Empty(t, service.Ports, "%s is for the other services only", name)
			continue
		}
		require.Equal(t, types.HealthCheckTest{"CMD", "/featurestore", "health"}, service.HealthCheck.Test)
		require.Equal(t, project.Services["registry"].Image, service.Image, "both are one image")
		require.Equal(t, "k8s/Dockerfile", service.Build.Dockerfile)
		require.True(t, service.ReadOnly && slices.Equal(service.CapDrop, []string{"ALL"}), name)
		for _, server := range []string{"postgres", "redis"} {
			require.Equal(t, types.ServiceConditionHealthy, service.DependsOn[server].Condition, name)
		}
		port := service.Ports[0]
		require.Equal(t, "0.0.0.0:"+strconv.Itoa(int(port.Target)), *service.Environment["FEATURESTORE_HTTP_LISTEN"], name)
		require.Equal(t, map[string]string{"registry": "8000", "store": "8001"}[name], port.Published)
		has = append(has, strings.Split(*service.Environment["FEATURESTORE_ROLES"], ",")...)
	}
	slices.Sort(has)
	require.Equal(t, allRoles, has, "each role is in one of the two")
	require.LessOrEqual(t, memory, int64(1<<30))
	require.Equal(t, manifestImage(t), project.Services["registry"].Image)
}

// manifestImage is the image that the manifests name.
func manifestImage(t *testing.T) string {
	return workloads(files(t, "feature-store.yaml"))[0].container().Image
}

// The script in the service secrets makes secrets that are random and fit together, once.
func TestComposeSecrets(t *testing.T) {
	script := compose(t).Services["secrets"].Command[0]
	run := func(folder string) map[string]string {
		output, err := exec.Command("/bin/sh", "-euc", strings.Replace(script, "cd /secrets", "cd "+folder, 1)).CombinedOutput()
		require.NoError(t, err, string(output))
		require.Empty(t, string(output))
		made := map[string]string{}
		found, err := filepath.Glob(folder + "/*")
		require.NoError(t, err)
		for _, path := range found {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			made[filepath.Base(path)] = strings.TrimSuffix(string(text), "\n")
		}
		return made
	}
	folder := t.TempDir()
	made := run(folder)
	require.Len(t, made, 4)
	require.Regexp(t, `^[A-Za-z0-9_-]{32}$`, made["postgres-password"])
	require.Equal(t, "postgres://featurestore:"+made["postgres-password"]+"@postgres:5432/featurestore?sslmode=disable", made["postgres-url"])
	password := strings.TrimPrefix(made["redis.conf"], "requirepass ")
	require.Regexp(t, `^[A-Za-z0-9_-]{32}$`, password)
	require.Equal(t, "redis://:"+password+"@redis:6379/0", made["redis-url"])
	require.Equal(t, made, run(folder), "those that are there stay")
	other := run(t.TempDir())
	require.NotEqual(t, made["postgres-password"], other["postgres-password"])
	require.NotEqual(t, made["redis.conf"], other["redis.conf"])
}

// The two processes that compose starts, with the same environment, on a real PostgreSQL and Redis, answer the owner's calls from Python word
// for word.
func TestOwnersCalls(t *testing.T) {
	postgres, redis := os.Getenv("FEATURESTORE_TEST_POSTGRES_URL"), os.Getenv("FEATURESTORE_TEST_REDIS_URL")
	require.NotEmpty(t, postgres, "scripts/test starts PostgreSQL and Redis")
	require.NotEmpty(t, redis, "scripts/test starts PostgreSQL and Redis")
	binary, project := program(t), compose(t)
	secrets := t.TempDir()
	require.NoError(t, os.WriteFile(secrets+"/postgres-url", []byte(postgres+"\n"), 0o600))
	require.NoError(t, os.WriteFile(secrets+"/redis-url", []byte(redis+"\n"), 0o600))
	name := "compose_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	addresses := map[string]string{}
	for _, service := range []string{"registry", "store"} {
		addresses[service] = freeAddress(t)
		command := exec.Command(binary, "serve")
		command.Dir = t.TempDir()
		command.Env = []string{"FEATURESTORE_POSTGRES_SCHEMA=" + name, "FEATURESTORE_REDIS_PREFIX=" + name, "FEATURESTORE_DATA=" + command.Dir}
		for variable, value := range project.Services[service].Environment {
			given := strings.Replace(*value, "/secrets/", secrets+"/", 1)
			if variable == "FEATURESTORE_HTTP_LISTEN" {
				given = addresses[service]
			}
			command.Env = append(command.Env, variable+"="+given)
		}
		var said bytes.Buffer
		command.Stderr = &said
		require.NoError(t, command.Start())
		t.Cleanup(func() {
			require.NoError(t, command.Process.Signal(syscall.SIGTERM))
			require.NoError(t, command.Wait(), said.String())
		})
		healthy := func() bool {
			asked := exec.Command(binary, "health")
			asked.Env = command.Env
			return asked.Run() == nil
		}
		require.Eventually(t, healthy, time.Minute, 50*time.Millisecond, "%s: %s", service, &said)
	}
	text, err := os.ReadFile("owner.py")
	require.NoError(t, err)
	there := strings.NewReplacer("localhost:8000", addresses["registry"], "localhost:8001", addresses["store"]).Replace(string(text))
	output, err := exec.Command(python(t), "-c", there).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Equal(t, `customer_purchase_count_30d 1
{'customer_purchase_count_30d': 'customer_purchase_count_30d', 'avg_order_value_90d': 'avg_order_value_90d'}
5 PRESENT
{'customer_purchase_count_30d': 5, 'avg_order_value_90d': 87.5}
`, string(output))

	// What the other one serves is said.
	for service, path := range map[string]string{"registry": "/get/customer/12345", "store": "/features"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addresses[service]+path, nil)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusNotFound, response.StatusCode)
	}
}

// python is one that has requests.
func python(t *testing.T) string {
	output, err := exec.CommandContext(t.Context(), "../../scripts/python/venv").Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(output))
}

// freeAddress is an address of this machine that nobody listens on, below the range that outgoing connections take their ports from.
func freeAddress(t *testing.T) string {
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(20_000))
		if listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
