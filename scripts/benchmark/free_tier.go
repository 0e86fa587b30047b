package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// freeTier is what the overlay of Kubernetes for a node of 1 GiB gives its containers: arguments and environment by the name of the workload.
type freeTier struct {
	arguments   map[string][]string
	environment map[string]map[string]string
}

// freeTierFiles are the overlay's, each laid over those before it, as kustomize does.
var freeTierFiles = []string{"k8s/base/settings.yaml", "k8s/base/postgres.yaml", "k8s/base/redis.yaml", "k8s/base/feature-registry.yaml", "k8s/base/feature-store.yaml",
	"k8s/overlays/free-tier/settings.yaml", "k8s/overlays/free-tier/batch-in-store.yaml", "k8s/overlays/free-tier/small.yaml"}

// shared is the ConfigMap that all pods of ours have.
const shared = "featurestore"

func readFreeTier() (*freeTier, error) {
	t := &freeTier{map[string][]string{}, map[string]map[string]string{}}
	for _, path := range freeTierFiles {
		file, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for documents := yaml.NewDecoder(bytes.NewReader(file)); ; {
			var d struct {
				Kind     string
				Metadata struct{ Name string }
				Data     map[string]string
				Spec     yaml.Node
			}
			if err := documents.Decode(&d); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if err := t.lay(d.Kind, d.Metadata.Name, d.Data, &d.Spec); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return t, nil
}

func (t *freeTier) lay(kind, name string, data map[string]string, spec *yaml.Node) error {
	if t.environment[name] == nil {
		t.environment[name] = map[string]string{}
	}
	switch kind {
	case "ConfigMap":
		maps.Copy(t.environment[name], data)
	case "Deployment", "StatefulSet":
		var workload struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Args []string
						Env  []struct{ Name, Value string }
					}
				}
			}
		}
		if err := spec.Decode(&workload); err != nil {
			return err
		}
		for _, c := range workload.Template.Spec.Containers {
			if c.Args != nil {
				t.arguments[name] = c.Args
			}
			for _, v := range c.Env {
				t.environment[name][v.Name] = v.Value
			}
		}
	}
	return nil
}

// process is the environment of a process of ours, but for where it listens and finds its servers.
func (t *freeTier) process(name string) []string {
	all := maps.Clone(t.environment[shared])
	maps.Copy(all, t.environment[name])
	maps.DeleteFunc(all, func(variable, _ string) bool {
		return strings.HasSuffix(variable, "_FILE") || variable == "FEATURESTORE_HTTP_LISTEN" || variable == "FEATURESTORE_HTTP_ALLOWED_HOSTS"
	})
	var environment []string
	for _, variable := range slices.Sorted(maps.Keys(all)) {
		environment = append(environment, variable+"="+all[variable])
	}
	return environment
}

// postgres are the settings of PostgreSQL, as name=value.
func (t *freeTier) postgres() (settings []string) {
	for _, a := range t.arguments["postgres"] {
		if a != "-c" {
			settings = append(settings, a)
		}
	}
	return settings
}

// redis are the arguments of Redis, but for where its files are.
func (t *freeTier) redis() []string {
	var kept []string
	arguments := t.arguments["redis"]
	for i := 0; i < len(arguments); i++ {
		switch a := arguments[i]; {
		case a == "redis-server", strings.HasPrefix(a, "/"):
		case a == "--dir":
			i++
		default:
			kept = append(kept, a)
		}
	}
	return kept
}
