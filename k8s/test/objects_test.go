package test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	goyaml "sigs.k8s.io/yaml/goyaml.v3"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// overlays are the ways in which the base is deployed.
var overlays = []string{"free-tier", "standard"}

// deployed are the files that the base is made of, and jobs those that are created as often as one likes.
var (
	deployed = []string{"namespace.yaml", "settings.yaml", "network-policies.yaml", "postgres.yaml", "redis.yaml", "feature-registry.yaml",
		"feature-store.yaml", "batch-feature-engineering.yaml"}
	jobs = []string{"batch-feature-engineering-job.yaml", "feature-materialization-job.yaml"}
)

// newObject makes the Go type of a kind.
func newObject(apiVersion, kind string) metav1.Object {
	switch apiVersion + "/" + kind {
	case "v1/Namespace":
		return &corev1.Namespace{}
	case "v1/ConfigMap":
		return &corev1.ConfigMap{}
	case "v1/Secret":
		return &corev1.Secret{}
	case "v1/Service":
		return &corev1.Service{}
	case "v1/ServiceAccount":
		return &corev1.ServiceAccount{}
	case "apps/v1/Deployment":
		return &appsv1.Deployment{}
	case "apps/v1/StatefulSet":
		return &appsv1.StatefulSet{}
	case "batch/v1/Job":
		return &batchv1.Job{}
	case "networking.k8s.io/v1/NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "autoscaling/v2/HorizontalPodAutoscaler":
		return &autoscalingv2.HorizontalPodAutoscaler{}
	case "policy/v1/PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	}
	return nil
}

// decode reads all documents of a text strictly: an unknown kind, and an unknown, repeated or wrongly written member, is an error.
func decode(text []byte) ([]metav1.Object, error) {
	var objects []metav1.Object
	documents := goyaml.NewDecoder(bytes.NewReader(text))
	for {
		var node goyaml.Node
		if err := documents.Decode(&node); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		document, err := goyaml.Marshal(&node)
		if err != nil {
			return nil, err
		}
		var about metav1.TypeMeta
		if err := yaml.Unmarshal(document, &about); err != nil {
			return nil, err
		}
		made := newObject(about.APIVersion, about.Kind)
		if made == nil {
			return nil, fmt.Errorf("%s %s is no kind that is deployed here", about.APIVersion, about.Kind)
		}
		asJSON, err := yaml.YAMLToJSONStrict(document)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", about.Kind, err)
		}
		wrong, err := kjson.UnmarshalStrict(asJSON, made)
		if err := errors.Join(append(wrong, err)...); err != nil {
			return nil, fmt.Errorf("%s: %w", about.Kind, err)
		}
		objects = append(objects, made)
	}
}

// files reads manifests of ../base.
func files(t *testing.T, names ...string) []metav1.Object {
	var objects []metav1.Object
	for _, name := range names {
		text, err := os.ReadFile("../base/" + name)
		require.NoError(t, err)
		found, err := decode(text)
		require.NoError(t, err, name)
		objects = append(objects, found...)
	}
	return objects
}

// render has kustomize make the objects of a folder.
func render(folder string) ([]byte, error) {
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		return nil, err
	}
	return all.AsYaml()
}

// rendered reads the objects of an overlay.
func rendered(t *testing.T, overlay string) []metav1.Object {
	text, err := render("../overlays/" + overlay)
	require.NoError(t, err)
	objects, err := decode(text)
	require.NoError(t, err)
	return objects
}

// of picks the objects of one type.
func of[T metav1.Object](objects []metav1.Object) []T {
	var found []T
	for _, o := range objects {
		if typed, ok := o.(T); ok {
			found = append(found, typed)
		}
	}
	return found
}
