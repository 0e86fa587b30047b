package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// The files as they stand, and each overlay as kustomize makes it, keep all rules.
func TestManifests(t *testing.T) {
	t.Run("base", func(t *testing.T) {
		require.Empty(t, broken(files(t, append(slices.Clone(deployed), jobs...)...), "feature-engineering", false))
	})
	for _, overlay := range overlays {
		t.Run(overlay, func(t *testing.T) {
			objects := append(rendered(t, overlay), files(t, jobs...)...)
			require.Empty(t, broken(objects, "feature-engineering", overlay == "free-tier"))
		})
	}
}

// Every file is in its place by its own name, and its first comment says which kinds it holds.
func TestFilesSayTheirKinds(t *testing.T) {
	found, err := filepath.Glob("../base/*.yaml")
	require.NoError(t, err)
	var names []string
	for _, path := range found {
		if name := filepath.Base(path); name != "kustomization.yaml" {
			names = append(names, name)
		}
	}
	require.ElementsMatch(t, append(slices.Clone(deployed), jobs...), names)
	more, err := filepath.Glob("../overlays/standard/[ad]*.yaml")
	require.NoError(t, err)
	require.Len(t, more, 2)
	for _, name := range names {
		more = append(more, "../base/"+name)
		if !slices.Contains([]string{"namespace.yaml", "settings.yaml", "network-policies.yaml"}, name) {
			linked, err := filepath.EvalSymlinks("../" + name)
			require.NoError(t, err)
			require.Equal(t, "../base/"+name, linked)
		}
	}
	for _, path := range more {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		comment, _, _ := strings.Cut(string(text), "\napiVersion")
		require.True(t, strings.HasPrefix(comment, "# Kind"), path)
		for line := range strings.Lines(string(text)) {
			if kind, ok := strings.CutPrefix(strings.TrimSpace(line), "kind: "); ok && !strings.HasPrefix(line, " ") {
				require.Contains(t, comment, kind, path)
			}
		}
	}
}

// What a manifest must not be is noticed: each change of the free tier's breaks a rule.
func TestRulesNoticeWhatBreaksThem(t *testing.T) {
	deployment := func(objects []metav1.Object, name string) *appsv1.Deployment {
		for _, d := range of[*appsv1.Deployment](objects) {
			if d.Name == name {
				return d
			}
		}
		return nil
	}
	store := func(objects []metav1.Object) *corev1.Container {
		return &deployment(objects, "feature-store").Spec.Template.Spec.Containers[0]
	}
	yes, every := true, intstr.FromInt32(1)
	for _, c := range []struct {
		name   string
		change func([]metav1.Object)
		broken string
	}{
		{"root", func(o []metav1.Object) {
			deployment(o, "feature-store").Spec.Template.Spec.SecurityContext.RunAsNonRoot = nil
		}, "may run as root"},
		{"capability", func(o []metav1.Object) { store(o).SecurityContext.Capabilities.Add = []corev1.Capability{"NET_ADMIN"} }, "keeps capabilities"},
		{"writable", func(o []metav1.Object) { store(o).SecurityContext.ReadOnlyRootFilesystem = nil }, "can write its own files"},
		{"token", func(o []metav1.Object) {
			deployment(o, "feature-store").Spec.Template.Spec.AutomountServiceAccountToken = &yes
		}, "gets a token"},
		{"no limit", func(o []metav1.Object) { store(o).Resources.Limits = nil }, "no limit of memory"},
		{"too large", func(o []metav1.Object) { store(o).Resources.Requests["memory"] = resource.MustParse("200Mi") }, "everything together requests"},
		{"Go's limit", func(o []metav1.Object) { set(store(o), "GOMEMLIMIT", "350MiB") }, "leaves less than an eighth"},
		{"latest", func(o []metav1.Object) { store(o).Image = "featurestore" }, "may be another tomorrow"},
		{"no image", func(o []metav1.Object) { store(o).Image = "<your image>" }, "is no reference"},
		{"probe's path", func(o []metav1.Object) { store(o).ReadinessProbe.HTTPGet.Path = "/runs" }, "asks /runs"},
		{"probe's port", func(o []metav1.Object) { set(store(o), "FEATURESTORE_HTTP_LISTEN", "0.0.0.0:9000") }, "nobody listens on"},
		{"no probe", func(o []metav1.Object) { store(o).LivenessProbe = nil }, "liveness probe is missing"},
		{"unknown secret", func(o []metav1.Object) { set(store(o), "FEATURESTORE_REDIS_URL_FILE", "/secrets/redis") }, "/secrets/redis is not mounted"},
		{"secret in a variable", func(o []metav1.Object) {
			store(o).Env = append(store(o).Env, corev1.EnvVar{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{}})
		}, "has a secret in the variable"},
		{"unknown map", func(o []metav1.Object) { store(o).EnvFrom[0].ConfigMapRef.Name = "other" }, "what nobody makes"},
		{"unknown account", func(o []metav1.Object) {
			deployment(o, "feature-store").Spec.Template.Spec.ServiceAccountName = "other"
		}, "which nobody makes"},
		{"role left out", func(o []metav1.Object) { set(store(o), "FEATURESTORE_ROLES", "store,batch") }, "the roles of all deployments are"},
		{"service", func(o []metav1.Object) { of[*corev1.Service](o)[0].Spec.Selector["app.kubernetes.io/name"] = "other" }, "leads to 0 workloads"},
		{"service's port", func(o []metav1.Object) { of[*corev1.Service](o)[0].Spec.Ports[0].TargetPort.StrVal = "other" }, "which is none"},
		{"host", func(o []metav1.Object) { of[*corev1.ConfigMap](o)[0].Data["FEATURESTORE_HTTP_ALLOWED_HOSTS"] = "" }, "refuses callers that name it feature-store"},
		{"selector", func(o []metav1.Object) {
			deployment(o, "feature-store").Spec.Template.Labels["app.kubernetes.io/name"] = "other"
		}, "does not select its own pods"},
		{"open network", func(o []metav1.Object) {
			for _, p := range of[*networkingv1.NetworkPolicy](o) {
				if p.Name == "featurestore" {
					p.Spec.Egress[0].Ports[0].Port = &every
				}
			}
		}, "is to reach"},
		{"another namespace", func(o []metav1.Object) { of[*corev1.Service](o)[0].Namespace = "default" }, `is in the namespace "default"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects := append(rendered(t, "free-tier"), files(t, jobs...)...)
			c.change(objects)
			require.Contains(t, strings.Join(broken(objects, "feature-engineering", true), "\n"), c.broken)
		})
	}
	for _, text := range []string{
		"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n",
		"apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\n",
		"apiVersion: v1\nkind: Service\nmetadata: {Name: a}\n",
		"apiVersion: v1\nkind: Sevrice\nmetadata: {name: a}\n",
		"apiVersion: v1\nkind: Service\nmetadata: {name: 5}\n",
	} {
		_, err := decode([]byte(text))
		require.Error(t, err, text)
	}
}

func set(c *corev1.Container, name, value string) {
	for i := range c.Env {
		if c.Env[i].Name == name {
			c.Env[i].Value = value
		}
	}
}

// The program itself takes the settings of every pod, and knows what it is told to do.
func TestProgramTakesTheSettings(t *testing.T) {
	binary := program(t)
	help, err := exec.Command(binary, "--help").Output()
	require.NoError(t, err)
	for _, overlay := range overlays {
		objects := append(rendered(t, overlay), files(t, jobs...)...)
		for _, w := range workloads(objects) {
			if !w.ours() {
				continue
			}
			require.Contains(t, string(help), "\n  "+w.container().Args[0]+" ", "%s: the program has no such command", w)
			command := exec.Command(binary, "config")
			for _, from := range w.container().EnvFrom {
				for _, m := range of[*corev1.ConfigMap](objects) {
					if m.Name == from.ConfigMapRef.Name {
						for name, value := range m.Data {
							command.Env = append(command.Env, name+"="+value)
						}
					}
				}
			}
			for _, variable := range w.container().Env {
				command.Env = append(command.Env, variable.Name+"="+secretFile(t, variable.Value))
			}
			var said bytes.Buffer
			command.Stderr = &said
			shown, err := command.Output()
			require.NoError(t, err, "%s: %s", w, &said)
			require.Contains(t, string(shown), "environment: feature-engineering # FEATURESTORE_ENVIRONMENT")
		}
	}
}

// secretFile is a file of the test's own in the place of one of a Secret; every other value stays.
func secretFile(t *testing.T, value string) string {
	contents := map[string]string{
		"/secrets/postgres-url": "postgres://featurestore:secret@postgres:5432/featurestore?sslmode=disable\n",
		"/secrets/redis-url":    "redis://:secret@redis:6379/0\n",
	}
	content, ok := contents[value]
	if !ok {
		return value
	}
	path := filepath.Join(t.TempDir(), filepath.Base(value))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// program is the binary under test.
func program(t *testing.T) string {
	if built := os.Getenv("FEATURESTORE_TEST_BINARY"); built != "" {
		return built
	}
	path := filepath.Join(t.TempDir(), "featurestore")
	command := exec.Command("go", "build", "-o", path, ".")
	command.Dir = "../.."
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
	return path
}
