package test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// smallNode is what a node of 1 GiB has for pods: what a cluster keeps for itself of the first GiB is some 255 MiB and 100 MiB more
	// below which it evicts, and pods of the cluster's own take the rest.
	smallNode = 512 << 20
	// connections are those that one process of featurestore may open to PostgreSQL.
	connections = 32
)

// allRoles are those of the program; each is to be somewhere, once.
var allRoles = []string{"batch", "materialization", "registry", "scheduler", "store", "validation", "web"}

// reached are the ports that pods of featurestore may reach beside those of names: the stores, HTTPS, mail, Alertmanager.
var reached = []int32{443, 587, 5432, 6379, 9093}

func labelSet(l map[string]string) labels.Set { return labels.Set(l) }

func picks(selector metav1.LabelSelector, l map[string]string) bool {
	s, err := metav1.LabelSelectorAsSelector(&selector)
	return err == nil && s.Matches(labelSet(l))
}

// broken names the rules that a whole deployment breaks, jobs included.
func broken(objects []metav1.Object, namespace string, small bool) []string {
	var found []string
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	seen := map[string]bool{}
	for _, o := range objects {
		id := fmt.Sprintf("%T %s%s", o, o.GetName(), o.GetGenerateName())
		wrong(seen[id], "%s stands there twice", id)
		seen[id] = true
		if space, ok := o.(*corev1.Namespace); ok {
			wrong(space.Name != namespace, "the namespace is %s", space.Name)
			wrong(space.Labels["pod-security.kubernetes.io/enforce"] != "restricted", "the namespace does not enforce restricted pod security")
			continue
		}
		wrong(o.GetNamespace() != namespace, "%s is in the namespace %q", id, o.GetNamespace())
		if _, job := o.(*batchv1.Job); !job {
			wrong(o.GetName() == "", "%s has no name", id)
		}
	}
	all := workloads(objects)
	for _, w := range all {
		found = append(found, brokenPod(w, objects)...)
	}
	found = append(found, brokenServices(objects, all)...)
	found = append(found, brokenNetwork(objects, all)...)
	found = append(found, brokenScaling(objects, all)...)
	found = append(found, brokenJobs(objects)...)
	if small {
		requested := requests(all)
		wrong(requested > smallNode, "everything together requests %d MiB, of %d", requested>>20, smallNode>>20)
	}
	return found
}

// requests is the memory of all pods during a roll-out of the largest, and of the largest job.
func requests(all []workload) int64 {
	var sum, job, surge int64
	for _, w := range all {
		memory := w.container().Resources.Requests.Memory().Value()
		if w.kind == "job" {
			job = max(job, memory)
			continue
		}
		sum += memory * int64(w.pods)
		surge = max(surge, memory*int64(w.surge))
	}
	return sum + job + surge
}

// roles are those of a workload's process.
func roles(w workload) []string {
	for _, variable := range w.container().Env {
		if variable.Name == "FEATURESTORE_ROLES" {
			return strings.Split(variable.Value, ",")
		}
	}
	return nil
}

func brokenServices(objects []metav1.Object, all []workload) (found []string) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	var hosts []string
	for _, m := range of[*corev1.ConfigMap](objects) {
		for host := range strings.SplitSeq(m.Data["FEATURESTORE_HTTP_ALLOWED_HOSTS"], ",") {
			hosts = append(hosts, strings.TrimSpace(host))
		}
	}
	var has []string
	for _, w := range all {
		if w.kind == "deployment" {
			has = append(has, roles(w)...)
		}
	}
	slices.Sort(has)
	wrong(!slices.Equal(has, allRoles), "the roles of all deployments are %s", strings.Join(has, ", "))
	served := map[string]bool{}
	for _, s := range of[*corev1.Service](objects) {
		matched := 0
		for _, w := range all {
			if w.kind == "job" || !picks(metav1.LabelSelector{MatchLabels: s.Spec.Selector}, w.template.Labels) {
				continue
			}
			matched++
			served[w.String()] = true
			for _, port := range s.Spec.Ports {
				wrong(!slices.ContainsFunc(w.container().Ports, func(p corev1.ContainerPort) bool { return p.Name == port.TargetPort.StrVal }),
					"service/%s leads to the port %s of %s, which is none", s.Name, port.TargetPort.String(), w)
			}
			if !w.ours() {
				continue
			}
			for _, host := range []string{s.Name, s.Name + "." + s.Namespace, s.Name + "." + s.Namespace + ".svc", s.Name + "." + s.Namespace + ".svc.cluster.local"} {
				wrong(!slices.Contains(hosts, host), "featurestore refuses callers that name it %s", host)
			}
			wrong(s.Spec.Type == corev1.ServiceTypeLoadBalancer || s.Spec.Type == corev1.ServiceTypeNodePort, "service/%s lets everyone in", s.Name)
		}
		wrong(matched != 1, "service/%s leads to %d workloads", s.Name, matched)
	}
	for _, w := range all {
		wrong(w.kind != "job" && !served[w.String()], "no service leads to %s", w)
	}
	for _, s := range of[*appsv1.StatefulSet](objects) {
		wrong(!seenService(objects, s.Spec.ServiceName), "statefulset/%s is governed by the service %s, which is none", s.Name, s.Spec.ServiceName)
	}
	return found
}

func seenService(objects []metav1.Object, name string) bool {
	return slices.ContainsFunc(of[*corev1.Service](objects), func(s *corev1.Service) bool { return s.Name == name })
}

func brokenNetwork(objects []metav1.Object, all []workload) (found []string) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	policies := of[*networkingv1.NetworkPolicy](objects)
	denied := slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
		return len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions)+len(p.Spec.Ingress)+len(p.Spec.Egress) == 0 && len(p.Spec.PolicyTypes) == 2
	})
	wrong(!denied, "what no policy lists is allowed")
	for _, w := range all {
		var in, out []int32
		names := false
		for _, p := range policies {
			if !picks(p.Spec.PodSelector, w.template.Labels) {
				continue
			}
			for _, rule := range p.Spec.Ingress {
				wrong(len(rule.From) == 0 || len(rule.Ports) == 0, "networkpolicy/%s lets everyone or everything in", p.Name)
				in = append(in, ports(rule.Ports)...)
			}
			for _, rule := range p.Spec.Egress {
				wrong(len(rule.Ports) == 0, "networkpolicy/%s lets everything out", p.Name)
				if slices.Contains(ports(rule.Ports), 53) {
					names = len(rule.To) > 0
					continue
				}
				out = append(out, ports(rule.Ports)...)
			}
		}
		wrong(!names, "%s cannot ask for names", w)
		slices.Sort(out)
		if w.ours() {
			wrong(!slices.Equal(out, reached), "%s may reach the ports %d, and is to reach %d", w, out, reached)
		} else {
			wrong(len(out) > 0, "%s may reach the ports %d", w, out)
		}
		for _, port := range w.container().Ports {
			wrong(!slices.Contains(in, port.ContainerPort), "nobody may reach the port %d of %s", port.ContainerPort, w)
		}
		wrong(w.kind == "job" && len(in) > 0, "%s can be reached", w)
	}
	return found
}

func ports(list []networkingv1.NetworkPolicyPort) (numbers []int32) {
	for _, p := range list {
		numbers = append(numbers, p.Port.IntVal)
	}
	return numbers
}

func brokenScaling(objects []metav1.Object, all []workload) (found []string) {
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	least, most := map[string]int32{}, map[string]int32{}
	for _, w := range all {
		least[w.name], most[w.name] = w.pods, w.pods+w.surge
	}
	for _, h := range of[*autoscalingv2.HorizontalPodAutoscaler](objects) {
		target := h.Spec.ScaleTargetRef
		deployment := slices.IndexFunc(of[*appsv1.Deployment](objects), func(d *appsv1.Deployment) bool { return d.Name == target.Name })
		wrong(target.Kind != "Deployment" || target.APIVersion != "apps/v1" || deployment < 0, "autoscaling/%s is for %s %s, which is none", h.Name, target.Kind, target.Name)
		if deployment >= 0 {
			wrong(of[*appsv1.Deployment](objects)[deployment].Spec.Replicas != nil, "deployment/%s says itself how many pods it has", target.Name)
		}
		wrong(h.Spec.MinReplicas == nil || *h.Spec.MinReplicas > h.Spec.MaxReplicas || *h.Spec.MinReplicas < 1, "autoscaling/%s has no range", h.Name)
		wrong(len(h.Spec.Metrics) == 0, "autoscaling/%s goes by nothing", h.Name)
		least[target.Name], most[target.Name] = *h.Spec.MinReplicas, h.Spec.MaxReplicas+1
	}
	for _, b := range of[*policyv1.PodDisruptionBudget](objects) {
		for _, w := range all {
			if picks(*b.Spec.Selector, w.template.Labels) {
				wrong(b.Spec.MinAvailable == nil || b.Spec.MinAvailable.IntVal >= least[w.name], "disruption/%s lets no node of %s be drained", b.Name, w)
			}
		}
	}
	var wanted, allowed int32
	for _, w := range all {
		if w.ours() && w.kind != "job" {
			wanted += most[w.name] * connections
		}
		for _, argument := range w.container().Args {
			if number, ok := strings.CutPrefix(argument, "max_connections="); ok {
				n, err := strconv.Atoi(number)
				wrong(err != nil, "max_connections is %s", number)
				allowed = int32(n) //nolint:gosec // it is small
			}
		}
	}
	const job, kept = connections, 3 // PostgreSQL keeps some for its superuser
	wrong(allowed > 0 && wanted+job+kept > allowed, "all pods may want %d connections, and PostgreSQL has %d", wanted+job+kept, allowed)
	return found
}

func brokenJobs(objects []metav1.Object) (found []string) {
	for _, j := range of[*batchv1.Job](objects) {
		wrong := func(bad bool, what string) {
			if bad {
				found = append(found, "job/"+j.GenerateName+": "+what)
			}
		}
		wrong(j.Name != "" || j.GenerateName == "", "it can be created once only")
		wrong(j.Spec.Template.Spec.RestartPolicy != corev1.RestartPolicyNever, "it begins again after a failure")
		wrong(j.Spec.BackoffLimit == nil || *j.Spec.BackoffLimit != 0, "it begins again after a failure")
		wrong(j.Spec.ActiveDeadlineSeconds == nil, "it may hang for ever")
		wrong(j.Spec.TTLSecondsAfterFinished == nil, "it stays for ever")
	}
	return found
}
