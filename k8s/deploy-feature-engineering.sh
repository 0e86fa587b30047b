#!/usr/bin/env bash
# Deploys featurestore to the Kubernetes cluster that kubectl works with, or changes what is deployed: it can be run as often as one likes.
#
#   k8s/deploy-feature-engineering.sh --build                 build the image, bring it to the cluster, deploy
#   k8s/deploy-feature-engineering.sh --image REF             deploy an image that the cluster can pull
#   k8s/deploy-feature-engineering.sh --delete                take everything away but the namespace, the passwords and the data
#
#   --overlay free-tier|standard   for one node of 1 GiB (the default), or for a cluster of several nodes
#   --namespace NAME               instead of feature-engineering
#   --postgres-url-file FILE       use the PostgreSQL whose URL the file holds, and deploy none
#   --redis-url-file FILE          use the Redis whose URL the file holds, and deploy none
#   --dry-run                      check and show, change nothing
#
# It needs kubectl, and with --build docker or podman. With --build the image goes to the nodes where the context is one of kind, k3d, minikube
# or k3s on this machine; else it is pushed, for which --image must name a registry. Passwords are made at random where the Secret
# feature-engineering does not exist; one that exists is left as it is. It stops at the first error, and says what to do.
# shellcheck disable=SC2016 # templates are kubectl's and kustomize's
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
namespace=feature-engineering
overlay=free-tier
image=featurestore:0.1.0
postgres_url_file='' redis_url_file=''
build='' dry='' delete=''
timeout=300s

say() { printf '%s\n' "$*"; }
step() { printf -- '-- %s\n' "$*"; }

# stop ends with what went wrong, and what to do.
stop() {
  printf 'deploy-feature-engineering.sh: %s\n  what to do: %s\n' "$1" "$2" >&2
  exit 1
}

# try runs a command; where that fails it stops with its own words and what to do.
try() {
  local advice=$1
  shift
  "$@" || stop "this failed: $*" "$advice"
}

# change is try for what changes something, which a dry run only shows.
change() {
  if [ -n "$dry" ]; then
    shift
    say "would run: $*"
  else
    try "$@"
  fi
}

usage() { sed -n '/^# shellcheck/q; 2,$s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

value() { if [ $# -lt 2 ] || [ -z "$2" ]; then stop "$1 needs a value" "see --help"; fi; }

while [ $# -gt 0 ]; do
  case $1 in
    --image) value "$@"; image=$2; shift ;;
    --build) build=yes ;;
    --namespace) value "$@"; namespace=$2; shift ;;
    --overlay) value "$@"; overlay=$2; shift ;;
    --postgres-url-file) value "$@"; postgres_url_file=$2; shift ;;
    --redis-url-file) value "$@"; redis_url_file=$2; shift ;;
    --dry-run) dry=yes ;;
    --delete) delete=yes ;;
    -h | --help) usage; exit ;;
    *) stop "there is no option $1" "see --help" ;;
  esac
  shift
done
case $overlay in free-tier | standard) ;; *) stop "there is no overlay $overlay" "use --overlay free-tier or --overlay standard" ;; esac
[[ $namespace =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || stop "$namespace is no name of a namespace" "use lower-case letters, digits and -"
[[ $image =~ ^[a-zA-Z0-9][a-zA-Z0-9./:_@-]*$ ]] || stop "$image is no reference of an image" "write it as name:tag or registry/name:tag"
for file in "$postgres_url_file" "$redis_url_file"; do
  [ -z "$file" ] || [ -s "$file" ] || stop "$file cannot be read, or is empty" "let it hold the URL of the server, in one line"
done

work=''
clean_up() { [ -z "$work" ] || rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

kube() { kubectl --namespace "$namespace" "$@"; }

check_cluster() {
  step "checking the cluster"
  command -v kubectl >/dev/null || stop "kubectl is not there" "install kubectl, and let its configuration name your cluster"
  context=$(kubectl config current-context) || stop "kubectl has no context" "choose a cluster: kubectl config use-context NAME"
  kubectl version >/dev/null || stop "the cluster of the context $context does not answer" "start it, or choose another: kubectl config use-context NAME"
  say "context $context, namespace $namespace, overlay $overlay, image $image"
}

check_rights() {
  local kinds=(configmaps secrets services serviceaccounts deployments.apps statefulsets.apps networkpolicies.networking.k8s.io jobs.batch) kind verb=create
  [ "$overlay" = standard ] && kinds+=(horizontalpodautoscalers.autoscaling poddisruptionbudgets.policy)
  [ -n "$delete" ] && verb=delete
  for kind in "${kinds[@]}"; do
    kube auth can-i "$verb" "$kind" >/dev/null ||
      stop "you may not $verb $kind in the namespace $namespace" "ask who runs the cluster for the role edit in it, or name another with --namespace"
  done
  exists=$(kubectl get namespace "$namespace" --ignore-not-found --output name) || stop "the namespaces cannot be read" "ask for the right to get namespaces"
  if [ -z "$exists" ] && [ -z "$delete" ]; then
    kubectl auth can-i create namespaces >/dev/null ||
      stop "there is no namespace $namespace, and you may not make one" "ask for it to be made, or name one that exists with --namespace"
  fi
}

# builder is docker, or what works like it.
builder() {
  local program
  for program in docker podman; do
    command -v "$program" >/dev/null && { say "$program"; return; }
  done
  stop "--build needs docker or podman" "install one of them, or name an image that exists with --image"
}

build_image() {
  local docker
  docker=$(builder)
  step "building $image"
  change "look at what the build says" "$docker" build --tag "$image" --file "$here/Dockerfile" "$here/.."
  step "bringing $image to the cluster"
  case $context in
    kind-*) change "is this cluster one of kind? kind get clusters" kind load docker-image "$image" --name "${context#kind-}" ;;
    k3d-*) change "is this cluster one of k3d? k3d cluster list" k3d image import "$image" --cluster "${context#k3d-}" ;;
    minikube) change "is minikube running? minikube status" minikube image load "$image" ;;
    *)
      if command -v k3s >/dev/null; then
        change "k3s takes images as root: run this script with the right to sudo" load_into_k3s "$docker"
      else
        [[ $image == */* ]] || stop "$image names no registry, and the nodes of $context cannot be reached in another way" \
          "name an image in a registry that you may push to and the cluster may pull from: --image REGISTRY/featurestore:0.1.0 --build"
        change "may you push there? $docker login" "$docker" push "$image"
      fi
      ;;
  esac
}

load_into_k3s() {
  local root=()
  [ "$(id -u)" -eq 0 ] || root=(sudo)
  "$1" save "$image" | "${root[@]}" k3s ctr images import -
}

# check_image looks whether a node has an image that no registry is named for: it could be pulled from nowhere.
check_image() {
  local held
  [[ $image == */* ]] && return
  held=$(kubectl get nodes --output 'jsonpath={.items[*].status.images[*].names[*]}') || stop "the nodes cannot be asked for their images" \
    "name an image in a registry with --image, or ask for the right to list nodes"
  [[ " $held " == *[\ /]"$image "* ]] || stop "no node has the image $image, and its name leads to no registry" \
    "build it with --build, or name one that the cluster can pull with --image"
}

# prepare decides which stores are deployed: those whose URL nobody gave.
prepare() {
  local found password
  secret=$(kube get secret feature-engineering --ignore-not-found --output name) || stop "the Secret feature-engineering cannot be read" "ask for the right to get secrets"
  own_postgres=${postgres_url_file:+yes} own_redis=${redis_url_file:+yes}
  [ -n "$secret" ] || return 0
  [ -z "$postgres_url_file$redis_url_file" ] || stop "the Secret feature-engineering exists, and is left as it is" \
    "change its keys postgres-url and redis-url by hand (kubectl edit secret), and leave --postgres-url-file and --redis-url-file out"
  found=$(kube get secret feature-engineering --output 'go-template={{range $key, $value := .data}}{{$key}} {{end}}') ||
    stop "the Secret feature-engineering cannot be read" "ask for the right to get secrets"
  for password in postgres-url redis-url; do
    [[ " $found " == *" $password "* ]] || stop "the Secret feature-engineering has no key $password" "add it, or delete the Secret to have it made anew"
  done
  [[ " $found " == *" postgres-password "* ]] || own_postgres=yes
  [[ " $found " == *" redis.conf "* ]] || own_redis=yes
}

# render writes everything that is deployed to a file.
render() {
  local name tag=newTag version kind host hosts=()
  work=$(mktemp -d "$here/overlays/.deploy-XXXXXX")
  name=${image%@*} version=${image#"$name"}
  if [ -n "$version" ]; then
    tag=digest version=${version#@}
  elif [[ ${image##*/} == *:* ]]; then
    name=${image%:*} version=${image##*:}
  else
    version=latest
  fi
  for host in feature-registry feature-store batch-feature-engineering; do
    hosts+=("$host" "$host.$namespace" "$host.$namespace.svc" "$host.$namespace.svc.cluster.local")
  done
  {
    cat <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../$overlay]
namespace: $namespace
images:
  - {name: featurestore, newName: "$name", $tag: "$version"}
patches:
  - patch: |-
      apiVersion: v1
      kind: ConfigMap
      metadata: {name: featurestore, namespace: feature-engineering}
      data:
        FEATURESTORE_ENVIRONMENT: $namespace
        FEATURESTORE_HTTP_ALLOWED_HOSTS: $(IFS=,; echo "${hosts[*]}")
KUSTOMIZATION
    [ -z "$delete" ] || remove v1 Namespace feature-engineering
    for kind in StatefulSet Service; do
      [ -z "$own_postgres" ] || remove "$kind" postgres
      [ -z "$own_redis" ] || remove "$kind" redis
    done
  } >"$work/kustomization.yaml"
  try "is this a whole copy of k8s/?" kubectl kustomize "$work" >"$work/all.yaml"
}

# remove leaves a rendered object out: [APIVERSION] KIND NAME.
remove() {
  local version=v1
  [ $# -eq 3 ] && { version=$1; shift; }
  [ "$1" = StatefulSet ] && version=apps/v1
  printf -- '  - patch: |-\n      $patch: delete\n      apiVersion: %s\n      kind: %s\n      metadata: {name: %s, namespace: feature-engineering}\n' "$version" "$1" "$2"
}

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# make_secret makes the Secret if it is not there. What it holds is on no command line.
make_secret() {
  local postgres redis
  if [ -n "$secret" ]; then
    say "the Secret feature-engineering exists and stays"
    return
  fi
  if [ -n "$dry" ]; then
    say "would make the Secret feature-engineering, with random passwords"
    return
  fi
  postgres=$(random) redis=$(random)
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: feature-engineering\n  namespace: %s\nstringData:\n' "$namespace"
    if [ -n "$own_postgres" ]; then
      printf '  postgres-url: |\n    %s\n' "$(head -n 1 "$postgres_url_file")"
    else
      printf '  postgres-password: "%s"\n  postgres-url: "postgres://featurestore:%s@postgres:5432/featurestore?sslmode=disable"\n' "$postgres" "$postgres"
    fi
    if [ -n "$own_redis" ]; then
      printf '  redis-url: |\n    %s\n' "$(head -n 1 "$redis_url_file")"
    else
      printf '  redis.conf: "requirepass %s"\n  redis-url: "redis://:%s@redis:6379/0"\n' "$redis" "$redis"
    fi
  } | kubectl create --filename - || stop "the Secret feature-engineering could not be made" "look at what kubectl says, and run this again"
}

# await waits until what KIND/NAME names is ready.
await() {
  [ -z "$dry" ] || return 0
  kube rollout status "$1" --timeout "$timeout" || stop "$1 is not ready after $timeout" \
    "look why: kubectl --namespace $namespace describe $1; kubectl --namespace $namespace get pods; kubectl --namespace $namespace logs $1"
}

deploy() {
  local workload
  step "namespace"
  [ -n "$exists" ] || change "look at what kubectl says" kubectl create namespace "$namespace"
  [ -z "$exists" ] || say "namespace $namespace exists"
  step "secrets"
  make_secret
  if [ -z "$own_postgres" ] || [ -z "$own_redis" ]; then
    step "PostgreSQL and Redis"
    change "look at what kubectl says" kubectl apply --filename "$work/all.yaml" --selector 'app.kubernetes.io/name in (postgres, redis)'
    [ -n "$own_postgres" ] || await statefulset/postgres
    [ -n "$own_redis" ] || await statefulset/redis
  fi
  step "featurestore"
  change "look at what kubectl says" kubectl apply --filename "$work/all.yaml"
  for workload in feature-registry feature-store $([ "$overlay" = standard ] && echo batch-feature-engineering); do
    await "deployment/$workload"
  done
}

undeploy() {
  step "deleting"
  change "look at what kubectl says" kubectl delete --filename "$work/all.yaml" --ignore-not-found
  change "look at what kubectl says" kube delete jobs --selector app.kubernetes.io/part-of=featurestore --ignore-not-found
  say "The namespace $namespace, its Secret and the volumes of PostgreSQL and Redis are left. With all data they go by: kubectl delete namespace $namespace"
}

show_calls() {
  cat <<CALLS

featurestore is deployed. From this machine it is reached through port-forwards, in a terminal of their own:

  kubectl --namespace $namespace port-forward service/feature-registry 8000:8000 &
  kubectl --namespace $namespace port-forward service/feature-store 8001:8001 &

Register a feature, store a value, read it:

  curl -X POST http://localhost:8000/features -H 'Content-Type: application/json' -d '{"name": "customer_purchase_count_30d", "description": "Purchases in the last 30 days", "entity_type": "customer", "value_type": "INTEGER", "owner": "data_science_team"}'
  curl -X POST http://localhost:8001/store/customer/12345 -d '{"customer_purchase_count_30d": 5}'
  curl http://localhost:8001/get/customer/12345/customer_purchase_count_30d

Run what is due now, and bring the online copies in step:

  $(job batch-feature-engineering-job)
  $(job feature-materialization-job)
CALLS
}

# job is the command that starts a Job with this image in this namespace.
job() {
  if [ "$image" = featurestore:0.1.0 ] && [ "$namespace" = feature-engineering ]; then
    say "kubectl create -f k8s/$1.yaml"
  else
    say "sed 's|image: featurestore:0.1.0|image: $image|; s|namespace: feature-engineering|namespace: $namespace|' k8s/$1.yaml | kubectl create -f -"
  fi
}

check_cluster
check_rights
if [ -z "$delete" ]; then
  if [ -n "$build" ]; then build_image; else check_image; fi
fi
prepare
render
if [ -n "$delete" ]; then
  undeploy
  exit
fi
deploy
if [ -n "$dry" ]; then
  say "nothing was changed; this would be deployed:"
  cat "$work/all.yaml"
  exit
fi
show_calls
