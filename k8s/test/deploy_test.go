package test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

var temporary = regexp.MustCompile(`\S*/overlays/\.deploy-\w+`)

// settled are calls without what differs from run to run.
func settled(calls []string) []string {
	out := make([]string, 0, len(calls))
	for _, call := range calls {
		out = append(out, temporary.ReplaceAllString(call, "DEPLOY"))
	}
	return out
}

// Everything in order: what is needed is checked, the image goes to the nodes, secrets are made, the stores are ready before what needs them.
func TestDeploy(t *testing.T) {
	c := newCluster(t)
	output, calls := c.succeed("--build")
	want := []string{"kubectl config current-context", "kubectl version"}
	for _, kind := range []string{"configmaps", "secrets", "services", "serviceaccounts", "deployments.apps", "statefulsets.apps", "networkpolicies.networking.k8s.io", "jobs.batch"} {
		want = append(want, "kubectl --namespace feature-engineering auth can-i create "+kind)
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	k8s := strings.TrimSuffix(here, "/test")
	require.Equal(t, append(want,
		"kubectl get namespace feature-engineering --ignore-not-found --output name",
		"kubectl auth can-i create namespaces",
		"docker build --tag featurestore:0.1.0 --file "+k8s+"/Dockerfile "+k8s+"/..",
		"kind load docker-image featurestore:0.1.0 --name demo",
		"kubectl --namespace feature-engineering get secret feature-engineering --ignore-not-found --output name",
		"kubectl kustomize DEPLOY",
		"kubectl create namespace feature-engineering",
		"kubectl create --filename -",
		"kubectl apply --filename DEPLOY/all.yaml --selector app.kubernetes.io/name in (postgres, redis)",
		"kubectl --namespace feature-engineering rollout status statefulset/postgres --timeout 300s",
		"kubectl --namespace feature-engineering rollout status statefulset/redis --timeout 300s",
		"kubectl apply --filename DEPLOY/all.yaml",
		"kubectl --namespace feature-engineering rollout status deployment/feature-registry --timeout 300s",
		"kubectl --namespace feature-engineering rollout status deployment/feature-store --timeout 300s",
	), settled(calls))
	objects, err := decode([]byte(c.applied(calls)))
	require.NoError(t, err)
	require.Empty(t, broken(append(objects, files(t, jobs...)...), "feature-engineering", true))
	for _, shown := range []string{
		"kubectl --namespace feature-engineering port-forward service/feature-registry 8000:8000", "curl -X POST http://localhost:8000/features",
		"curl -X POST http://localhost:8001/store/customer/12345", "curl http://localhost:8001/get/customer/12345/customer_purchase_count_30d",
		"kubectl create -f k8s/batch-feature-engineering-job.yaml", "kubectl create -f k8s/feature-materialization-job.yaml",
	} {
		require.Contains(t, output, shown)
	}

	first := c.applied(calls)
	_, calls = c.succeed("--build")
	require.NotContains(t, calls, "kubectl create --filename -", "the Secret stays")
	require.NotContains(t, calls, "kubectl create namespace feature-engineering")
	require.Equal(t, first, c.applied(calls), "again the same")
}

// What is made is a Secret with just the keys that pods mount, of random passwords that fit together.
func TestDeployMakesSecrets(t *testing.T) {
	made := func() map[string]string {
		c := newCluster(t)
		_, calls := c.succeed()
		objects, err := decode([]byte(c.read("secret")))
		require.NoError(t, err)
		secret := of[*corev1.Secret](objects)[0]
		require.Equal(t, "feature-engineering", secret.Name)
		for _, call := range calls {
			require.NotContains(t, call, secret.StringData["postgres-password"])
		}
		return secret.StringData
	}
	first, second := made(), made()
	var keys []string
	for key := range first {
		keys = append(keys, key)
	}
	require.ElementsMatch(t, secretKeys, keys)
	require.Regexp(t, `^[A-Za-z0-9_-]{32}$`, first["postgres-password"])
	require.Equal(t, "postgres://featurestore:"+first["postgres-password"]+"@postgres:5432/featurestore?sslmode=disable", first["postgres-url"])
	require.Equal(t, "redis://:"+strings.TrimPrefix(first["redis.conf"], "requirepass ")+"@redis:6379/0", first["redis-url"])
	require.NotEqual(t, first["postgres-password"], second["postgres-password"])
	require.NotEqual(t, first["redis.conf"], second["redis.conf"])
}

// Whichever step fails, the script ends there and says what to do.
func TestDeployStopsAtTheFirstError(t *testing.T) {
	ways := [][]string{{"--build"}}
	if os.Getenv("FEATURESTORE_TEST_FULL") == "1" {
		ways = append(ways, []string{"--overlay", "standard"}, []string{"--delete"}, []string{"--image", "registry.example/featurestore:1", "--namespace", "staging"})
	}
	for _, args := range ways {
		_, calls := newCluster(t).succeed(args...)
		for n := 1; n <= len(calls); n++ {
			if n > 1 && len(ways) == 1 && strings.Contains(calls[n-1], "auth can-i create ") && strings.Contains(calls[n-2], "auth can-i create ") {
				continue // one right is as good as another
			}
			c := newCluster(t)
			c.write("fail", strconv.Itoa(n))
			code, output, complaint, made := c.run(args...)
			require.Equal(t, 1, code, "%s failed, and it said %s", calls[n-1], output)
			require.Equal(t, settled(calls[:n]), settled(made))
			require.Contains(t, complaint, "\n  what to do: ", calls[n-1])
			require.NotContains(t, output, "is deployed")
		}
	}
}

func TestDeployDryRun(t *testing.T) {
	for _, args := range [][]string{{"--build"}, {"--delete"}} {
		c := newCluster(t)
		output, calls := c.succeed(append(args, "--dry-run")...)
		for _, call := range calls {
			require.Regexp(t, `^kubectl (--namespace feature-engineering )?(config|version|auth|get|kustomize)`, call, "it changes nothing")
		}
		require.Contains(t, output, "would run: kubectl ")
		if args[0] == "--build" {
			require.Contains(t, output, "would make the Secret")
			require.Contains(t, output, "kind: Deployment")
		}
	}
}

// Another namespace and another image are everywhere.
func TestDeployElsewhere(t *testing.T) {
	for image, want := range map[string]string{
		"registry.example:5000/team/featurestore:1.2":          "registry.example:5000/team/featurestore:1.2",
		"team/featurestore":                                    "team/featurestore:latest",
		"team/featurestore@sha256:" + strings.Repeat("ab", 32): "team/featurestore@sha256:" + strings.Repeat("ab", 32),
	} {
		for _, overlay := range overlays {
			c := newCluster(t)
			output, calls := c.succeed("--image", image, "--namespace", "staging", "--overlay", overlay)
			objects, err := decode([]byte(c.applied(calls)))
			require.NoError(t, err)
			for _, w := range workloads(objects) {
				if w.ours() {
					require.Equal(t, want, w.container().Image)
					w.container().Image = "featurestore:0.1.0" // the rule against images that change is not for those that are asked for
				}
			}
			require.Empty(t, slices.DeleteFunc(broken(objects, "staging", overlay == "free-tier"), func(rule string) bool { return strings.HasSuffix(rule, "which may be another tomorrow") }))
			require.Equal(t, "staging", of[*corev1.ConfigMap](objects)[0].Data["FEATURESTORE_ENVIRONMENT"])
			require.Equal(t, overlay == "standard", slices.Contains(calls, "kubectl --namespace staging rollout status deployment/batch-feature-engineering --timeout 300s"))

			// The Jobs that it shows go there too.
			for line := range strings.Lines(output) {
				line = strings.TrimSpace(line)
				if !strings.HasPrefix(line, "sed ") {
					continue
				}
				edited, _, _ := strings.Cut(line, " | kubectl")
				command := exec.Command("bash", "-c", edited)
				command.Dir = "../.."
				text, err := command.Output()
				require.NoError(t, err)
				found, err := decode(text)
				require.NoError(t, err)
				job := of[*batchv1.Job](found)[0]
				require.Equal(t, "staging", job.Namespace)
				require.Equal(t, image, job.Spec.Template.Spec.Containers[0].Image)
			}
		}
	}
}

// Who has a PostgreSQL or a Redis gets none deployed, the next time neither.
func TestDeployWithOwnStores(t *testing.T) {
	c := newCluster(t)
	c.write("url", "postgres://someone:secret@db.example:5432/features?sslmode=verify-full\n")
	check := func(calls []string) {
		objects, err := decode([]byte(c.applied(calls)))
		require.NoError(t, err)
		var stores []string
		for _, s := range of[*appsv1.StatefulSet](objects) {
			stores = append(stores, s.Name)
		}
		require.Equal(t, []string{"redis"}, stores)
		require.False(t, seenService(objects, "postgres"))
		require.NotContains(t, strings.Join(calls, "\n"), "statefulset/postgres")
	}
	_, calls := c.succeed("--postgres-url-file", c.folder+"/url")
	check(calls)
	objects, err := decode([]byte(c.read("secret")))
	require.NoError(t, err)
	secret := of[*corev1.Secret](objects)[0].StringData
	require.Equal(t, c.read("url"), secret["postgres-url"])
	require.NotContains(t, secret, "postgres-password")
	_, calls = c.succeed()
	check(calls)
	code, _, complaint, _ := c.run("--postgres-url-file", c.folder+"/url")
	require.Equal(t, 1, code)
	require.Contains(t, complaint, "exists, and is left as it is")
}

// Deleting leaves the namespace, the passwords and the data.
func TestDeployDelete(t *testing.T) {
	c := newCluster(t)
	c.succeed()
	output, calls := c.succeed("--delete")
	require.Equal(t, []string{"kubectl delete --filename DEPLOY/all.yaml --ignore-not-found",
		"kubectl --namespace feature-engineering delete jobs --selector app.kubernetes.io/part-of=featurestore --ignore-not-found"}, settled(calls[len(calls)-2:]))
	require.Contains(t, output, "are left")
	objects, err := decode([]byte(c.read("deleted.yaml")))
	require.NoError(t, err)
	require.Empty(t, of[*corev1.Namespace](objects), "with the namespace everything would go")
	require.Empty(t, of[*corev1.Secret](objects))
	require.Len(t, of[*appsv1.StatefulSet](objects), 2)
	require.NotContains(t, strings.Join(calls, "\n"), "delete namespace ")
	output, _ = c.succeed("--delete", "--dry-run")
	require.Contains(t, output, "would run: kubectl delete")
}

// How the image comes to the cluster depends on the cluster.
func TestDeployImages(t *testing.T) {
	for context, want := range map[string]string{
		"kind-demo": "kind load docker-image featurestore:0.1.0 --name demo",
		"k3d-demo":  "k3d image import featurestore:0.1.0 --cluster demo",
		"minikube":  "minikube image load featurestore:0.1.0",
	} {
		c := newCluster(t)
		c.write("context", context+"\n")
		_, calls := c.succeed("--build")
		require.Contains(t, calls, want)
	}
	c := newCluster(t)
	c.write("context", "far-away\n")
	_, calls := c.succeed("--build", "--image", "registry.example/featurestore:1")
	require.Contains(t, calls, "docker push registry.example/featurestore:1")
}

func TestDeployRefusals(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*cluster)
		args     []string
		sentence string
	}{
		{"unknown option", nil, []string{"--quick"}, "there is no option --quick"},
		{"no value", nil, []string{"--image"}, "--image needs a value"},
		{"unknown overlay", nil, []string{"--overlay", "huge"}, "there is no overlay huge"},
		{"namespace", nil, []string{"--namespace", "Staging!"}, "is no name of a namespace"},
		{"image", nil, []string{"--image", "-x"}, "is no reference of an image"},
		{"no file", nil, []string{"--redis-url-file", "/nowhere"}, "/nowhere cannot be read"},
		{"no image on the nodes", func(c *cluster) { c.write("images", "pause:3.9 myfeaturestore:0.1.0 ") }, nil, "no node has the image featurestore:0.1.0"},
		{"no registry", func(c *cluster) { c.write("context", "far-away\n") }, []string{"--build"}, "names no registry"},
		{"no kubectl", func(c *cluster) { require.NoError(t, os.Remove(c.folder+"/bin/kubectl")) }, nil, "kubectl is not there"},
		{"no docker", func(c *cluster) { require.NoError(t, os.Remove(c.folder+"/bin/docker")) }, []string{"--build"}, "--build needs docker or podman"},
		{"a Secret that lacks a key", func(c *cluster) { c.write("secret", "stringData:\n  postgres-url: x\n") }, nil, "has no key redis-url"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := newCluster(t)
			if c.change != nil {
				c.change(cluster)
			}
			code, _, complaint, _ := cluster.run(c.args...)
			require.Equal(t, 1, code)
			require.Contains(t, complaint, c.sentence)
			require.Contains(t, complaint, "\n  what to do: ")
		})
	}
	_, output, _, _ := newCluster(t).run("--help")
	require.Contains(t, output, "--overlay free-tier|standard")
}

// The scripts that people run keep shellcheck's rules.
func TestShellcheck(t *testing.T) {
	output, err := exec.Command("shellcheck", "../deploy-feature-engineering.sh", "../../scripts/aws-user-data.sh", "testdata/fake/program", "testdata/fake/machine").CombinedOutput()
	require.NoError(t, err, string(output))
}
