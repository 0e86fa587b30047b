package test

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/distribution/reference"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// workload is what makes pods.
type workload struct {
	kind, name string
	pods       int32 // that it makes, without autoscaling
	template   corev1.PodTemplateSpec
	selector   *metav1.LabelSelector // nil: of a Job
	claims     []corev1.PersistentVolumeClaim
	surge      int32 // pods more than that during a roll-out
}

func (w workload) String() string { return w.kind + "/" + w.name }

// ours tells that its pods run featurestore.
func (w workload) ours() bool { return w.container().Name == "featurestore" }

// container is its only one: a rule says so.
func (w workload) container() *corev1.Container { return &w.template.Spec.Containers[0] }

func workloads(objects []metav1.Object) []workload {
	count := func(replicas *int32) int32 {
		if replicas == nil {
			return 1
		}
		return *replicas
	}
	var found []workload
	for _, d := range of[*appsv1.Deployment](objects) {
		w := workload{kind: "deployment", name: d.Name, pods: count(d.Spec.Replicas), template: d.Spec.Template, selector: d.Spec.Selector, surge: 1}
		if rolling := d.Spec.Strategy.RollingUpdate; rolling != nil && rolling.MaxSurge != nil {
			w.surge = rolling.MaxSurge.IntVal
		}
		found = append(found, w)
	}
	for _, s := range of[*appsv1.StatefulSet](objects) {
		found = append(found, workload{kind: "statefulset", name: s.Name, pods: count(s.Spec.Replicas), template: s.Spec.Template, selector: s.Spec.Selector, claims: s.Spec.VolumeClaimTemplates})
	}
	for _, j := range of[*batchv1.Job](objects) {
		found = append(found, workload{kind: "job", name: strings.TrimSuffix(j.GenerateName, "-"), pods: 1, template: j.Spec.Template})
	}
	return found
}

// secretKeys are what the deploy script puts into the Secret feature-engineering; a test of the script holds it to that.
var secretKeys = []string{"postgres-password", "postgres-url", "redis.conf", "redis-url"}

// goMemory is the form of GOMEMLIMIT.
var goMemory = regexp.MustCompile(`^\d+(MiB|GiB)$`)

// brokenPod names the rules that the pods of a workload break: restricted pod security, and what one needs to know to run them.
func brokenPod(w workload, objects []metav1.Object) []string {
	var found []string
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, w.String()+": "+fmt.Sprintf(format, args...))
		}
	}
	isFalse := func(b *bool) bool { return b != nil && !*b }
	isTrue := func(b *bool) bool { return b != nil && *b }
	spec := w.template.Spec
	wrong(len(spec.Containers) != 1 || len(spec.InitContainers) > 0, "has not just one container")
	wrong(!isFalse(spec.AutomountServiceAccountToken), "gets a token of the cluster")
	wrong(!isFalse(spec.EnableServiceLinks), "gets variables of all services, which may look like settings")
	wrong(spec.HostNetwork || spec.HostPID || spec.HostIPC, "shares something with its node")
	wrong(spec.TerminationGracePeriodSeconds == nil || *spec.TerminationGracePeriodSeconds < 25, "is killed before it can end")
	accounts := of[*corev1.ServiceAccount](objects)
	wrong(spec.ServiceAccountName != "" && !slices.ContainsFunc(accounts, func(a *corev1.ServiceAccount) bool { return a.Name == spec.ServiceAccountName }),
		"has the service account %s, which nobody makes", spec.ServiceAccountName)
	security := spec.SecurityContext
	wrong(security == nil || !isTrue(security.RunAsNonRoot) || security.RunAsUser == nil || *security.RunAsUser == 0, "may run as root")
	wrong(security == nil || security.SeccompProfile == nil || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault, "has no seccomp profile")
	wrong(security == nil || security.FSGroup == nil, "cannot read its secrets: they belong to root and fsGroup")
	for _, c := range spec.Containers {
		s := c.SecurityContext
		wrong(s == nil || !isFalse(s.AllowPrivilegeEscalation), "%s may become more than it is", c.Name)
		wrong(s == nil || !isTrue(s.ReadOnlyRootFilesystem), "%s can write its own files", c.Name)
		wrong(s == nil || s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0, "%s keeps capabilities", c.Name)
		wrong(s != nil && isTrue(s.Privileged), "%s is privileged", c.Name)
		found = append(found, brokenResources(w, c)...)
		named, err := reference.ParseNormalizedNamed(c.Image)
		wrong(err != nil, "%s has the image %q, which is no reference", c.Name, c.Image)
		if err == nil {
			tagged, ok := named.(reference.Tagged)
			_, digested := named.(reference.Digested)
			wrong(!digested && (!ok || tagged.Tag() == "latest"), "%s has the image %s, which may be another tomorrow", c.Name, c.Image)
		}
		wrong(c.ImagePullPolicy != corev1.PullIfNotPresent, "%s is pulled although the node has it", c.Name)
		for _, from := range c.EnvFrom {
			wrong(from.ConfigMapRef == nil || !slices.ContainsFunc(of[*corev1.ConfigMap](objects), func(m *corev1.ConfigMap) bool { return m.Name == from.ConfigMapRef.Name }),
				"%s takes variables from what nobody makes", c.Name)
		}
		for _, variable := range c.Env {
			wrong(variable.ValueFrom != nil, "%s has a secret in the variable %s, which shows in its description: use a file", c.Name, variable.Name)
		}
		found = append(found, brokenVolumes(w, c)...)
		if w.kind != "job" {
			found = append(found, brokenProbes(w, c)...)
		}
	}
	wrong(w.template.Labels["app.kubernetes.io/part-of"] != "featurestore", "is not labelled as part of featurestore: no policy lets it ask for names")
	if w.selector != nil {
		matches, err := metav1.LabelSelectorAsSelector(w.selector)
		wrong(err != nil || !matches.Matches(labelSet(w.template.Labels)) || matches.Empty(), "does not select its own pods")
	}
	return found
}

func brokenResources(w workload, c corev1.Container) (found []string) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, w.String()+": "+fmt.Sprintf(format, args...))
		}
	}
	requests, limits := c.Resources.Requests, c.Resources.Limits
	wrong(requests.Cpu().IsZero() || requests.Memory().IsZero(), "%s requests no processor time or no memory", c.Name)
	wrong(limits.Memory().IsZero() || limits.Memory().Cmp(*requests.Memory()) < 0, "%s has no limit of memory above its request", c.Name)
	if !w.ours() {
		return found
	}
	for _, variable := range c.Env {
		if variable.Name == "GOMEMLIMIT" {
			wrong(!goMemory.MatchString(variable.Value), "GOMEMLIMIT is %q", variable.Value)
			soft, err := resource.ParseQuantity(strings.TrimSuffix(variable.Value, "B"))
			wrong(err != nil || soft.Value()*8 > limits.Memory().Value()*7, "GOMEMLIMIT %s leaves less than an eighth of the limit %s", variable.Value, limits.Memory())
			return found
		}
	}
	wrong(true, "%s has no GOMEMLIMIT", c.Name)
	return found
}

// brokenVolumes looks whether what is mounted is there, and whether files that variables and arguments name are mounted.
func brokenVolumes(w workload, c corev1.Container) (found []string) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, w.String()+": "+fmt.Sprintf(format, args...))
		}
	}
	names, mounted := map[string]bool{}, map[string]bool{}
	readable := map[string]bool{}
	for _, claim := range w.claims {
		names[claim.Name] = true
	}
	for _, volume := range w.template.Spec.Volumes {
		names[volume.Name] = true
		source := volume.VolumeSource
		wrong(source.EmptyDir == nil && source.Secret == nil, "the volume %s is neither empty nor a secret", volume.Name)
		if source.Secret == nil {
			continue
		}
		wrong(source.Secret.SecretName != "feature-engineering", "the Secret %s is made by nobody", source.Secret.SecretName)
		wrong(source.Secret.DefaultMode == nil || *source.Secret.DefaultMode != 0o440, "others may read the secrets")
		wrong(len(source.Secret.Items) == 0, "it gets all secrets")
		for _, item := range source.Secret.Items {
			wrong(!slices.Contains(secretKeys, item.Key), "the Secret has no key %s", item.Key)
			for _, mount := range c.VolumeMounts {
				if mount.Name == volume.Name {
					wrong(!mount.ReadOnly, "it can write its secrets")
					readable[mount.MountPath+"/"+item.Path] = true
				}
			}
		}
	}
	for _, mount := range c.VolumeMounts {
		wrong(!names[mount.Name], "it mounts %s, which it does not have", mount.Name)
		mounted[mount.Name] = true
	}
	for name := range names {
		wrong(!mounted[name], "the volume %s is not mounted", name)
	}
	named := slices.Clone(c.Args)
	for _, variable := range c.Env {
		wrong(strings.HasSuffix(variable.Name, "_FILE") && !strings.HasPrefix(variable.Value, "/secrets/"), "%s is %s", variable.Name, variable.Value)
		named = append(named, variable.Value)
	}
	used := 0
	for _, name := range named {
		if strings.HasPrefix(name, "/secrets/") {
			wrong(!readable[name], "%s is not mounted", name)
			used++
		}
	}
	wrong(used != len(readable), "it gets secrets that it does not use")
	return found
}

// brokenProbes looks whether a probe of each kind asks what can be answered without a key.
func brokenProbes(w workload, c corev1.Container) (found []string) {
	for name, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		wrong := func(bad bool, format string, args ...any) {
			if bad {
				found = append(found, fmt.Sprintf("%s: its %s probe %s", w, name, fmt.Sprintf(format, args...)))
			}
		}
		if probe == nil {
			wrong(true, "is missing")
			continue
		}
		wrong(name == "startup" && probe.FailureThreshold*probe.PeriodSeconds < 60, "gives it less than a minute")
		if !w.ours() {
			continue
		}
		path := "/healthz"
		if name == "readiness" {
			path = "/readyz"
		}
		if probe.HTTPGet == nil {
			wrong(true, "asks nothing")
			continue
		}
		wrong(probe.HTTPGet.Path != path, "asks %s, not %s", probe.HTTPGet.Path, path)
		port := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == probe.HTTPGet.Port.StrVal })
		wrong(port < 0, "asks at the port %s, which is none", probe.HTTPGet.Port.String())
		wrong(name == "readiness" && probe.TimeoutSeconds < 3, "gives up before the process does")
		if port >= 0 {
			listen := "0.0.0.0:" + strconv.Itoa(int(c.Ports[port].ContainerPort))
			wrong(!slices.ContainsFunc(c.Env, func(v corev1.EnvVar) bool { return v.Name == "FEATURESTORE_HTTP_LISTEN" && v.Value == listen }), "asks at a port that nobody listens on")
		}
	}
	return found
}
