#!/usr/bin/env bash
# User data for an EC2 instance: brings up featurestore on a fresh t2.micro (1 processor, 1 GiB) with Amazon Linux 2023, Debian 12 or later, or
# Ubuntu 22.04 or later. Fill in the first lines and give the file to the instance:
#
#   aws ec2 run-instances --instance-type t2.micro --user-data file://scripts/aws-user-data.sh …
#
# It makes a swap file, an account, a systemd unit with limits, and starts it. It can be run again: what is there stays, the program and the
# settings are brought up to date. What it does and what went wrong is in /var/log/cloud-init-output.log.
set -euo pipefail

# Where the program is: https://… or s3://…, and its SHA-256. `docker build --target build`, or `CGO_ENABLED=1 go build` as in k8s/Dockerfile,
# makes one that runs on any Linux.
: "${PROGRAM:=}"
: "${PROGRAM_SHA256:=}"
# Names of SecureString parameters (AWS Systems Manager) that hold the URLs of RDS and ElastiCache; the instance's role must be allowed to read
# them. Empty: the embedded engines, with all data in /var/lib/featurestore.
#   postgres://user:password@name.region.rds.amazonaws.com:5432/features?sslmode=verify-full
#   rediss://user:password@name.region.cache.amazonaws.com:6379/0
: "${POSTGRES_PARAMETER:=}"
: "${REDIS_PARAMETER:=}"
# The addresses to listen on. On loopback it is reached through a tunnel (ssh -L 8000:127.0.0.1:8000 -L 8001:127.0.0.1:8001). Beyond it there
# are no access keys yet: the security group must let nobody in who may not read and write everything.
: "${LISTEN:=127.0.0.1:8000,127.0.0.1:8001}"
# The name of this environment, stamped into its databases.
: "${ENVIRONMENT:=production}"

: "${ROOT:=}" # of the file system; tests have another
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf 'featurestore: %s\n' "$*"; }

stop() {
  printf 'featurestore: %s\n' "$*" >&2
  exit 1
}

check() {
  [ -n "$PROGRAM" ] || stop "PROGRAM is empty: name the address of the program in the first lines"
  [[ $PROGRAM_SHA256 =~ ^[0-9a-f]{64}$ ]] || stop "PROGRAM_SHA256 is no SHA-256: 64 digits, as sha256sum prints them"
  if { [ -n "$POSTGRES_PARAMETER" ] && [ -z "$REDIS_PARAMETER" ]; } || { [ -z "$POSTGRES_PARAMETER" ] && [ -n "$REDIS_PARAMETER" ]; }; then
    stop "one of POSTGRES_PARAMETER and REDIS_PARAMETER is empty: give both, or neither for the embedded engines"
  fi
  if [[ $PROGRAM == s3://* ]] || [ -n "$POSTGRES_PARAMETER" ]; then
    command -v aws >/dev/null || stop "aws, the command line of AWS, is not there: only Amazon Linux brings it; have it installed before this, or use https:// and no parameters"
  fi
  if [[ $PROGRAM == https://* ]]; then
    command -v curl >/dev/null || stop "curl is not there: have it installed before this (apt-get install curl)"
  fi
}

# make_swap gives what is seldom used a place besides the memory, so that a peak is slow instead of deadly.
make_swap() {
  [ ! -e "$ROOT/swapfile" ] || return 0
  say "making 1 GiB of swap"
  dd if=/dev/zero of="$ROOT/swapfile.new" bs=1M count="${SWAP_MIB:-1024}" status=none
  chmod 600 "$ROOT/swapfile.new"
  mkswap "$ROOT/swapfile.new" >/dev/null
  mv "$ROOT/swapfile.new" "$ROOT/swapfile"
  swapon "$ROOT/swapfile"
  echo '/swapfile none swap defaults 0 0' >>"$ROOT/etc/fstab"
  echo 'vm.swappiness = 10' >"$ROOT/etc/sysctl.d/90-featurestore.conf"
  sysctl --quiet --load "$ROOT/etc/sysctl.d/90-featurestore.conf"
}

make_account() {
  getent passwd featurestore >/dev/null ||
    useradd --system --user-group --home-dir /var/lib/featurestore --no-create-home --shell /usr/sbin/nologin featurestore
}

# fetch writes what is at an address to a file.
fetch() {
  case $1 in
    s3://*) aws s3 cp --only-show-errors "$1" "$2" ;;
    https://*) curl --fail --silent --show-error --location --proto '=https' --retry 5 --output "$2" "$1" ;;
    *) stop "$1 is no address: write https://… or s3://…" ;;
  esac
}

install_program() {
  local target="$ROOT/usr/local/bin/featurestore"
  echo "$PROGRAM_SHA256  $target" | sha256sum --check --status 2>/dev/null && return
  say "fetching the program"
  fetch "$PROGRAM" "$target.new"
  echo "$PROGRAM_SHA256  $target.new" | sha256sum --check --status || {
    rm -f "$target.new"
    stop "what is at $PROGRAM has another SHA-256 than PROGRAM_SHA256: nothing was installed"
  }
  chmod 755 "$target.new"
  mv "$target.new" "$target"
}

# parameter prints a secret of the Parameter Store.
parameter() { aws ssm get-parameter --name "$1" --with-decryption --query Parameter.Value --output text; }

# keep writes a file that only root and the program can read.
keep() {
  (umask 077 && cat >"$1.new")
  chgrp featurestore "$1.new"
  chmod 640 "$1.new"
  mv "$1.new" "$1"
}

write_settings() {
  local folder="$ROOT/etc/featurestore" postgres redis open=false address
  mkdir -p "$folder"
  if [ -n "$POSTGRES_PARAMETER" ]; then
    postgres=$(parameter "$POSTGRES_PARAMETER") || stop "the parameter $POSTGRES_PARAMETER cannot be read: may the role of this instance?"
    redis=$(parameter "$REDIS_PARAMETER") || stop "the parameter $REDIS_PARAMETER cannot be read: may the role of this instance?"
    [[ $postgres == *[?\&]sslmode=verify-full* ]] || stop "the URL in $POSTGRES_PARAMETER does not have the server verified: add ?sslmode=verify-full"
    [[ $redis == rediss://* ]] || stop "the URL in $REDIS_PARAMETER is not for TLS: write rediss://"
    if [[ $postgres != *sslrootcert=* ]]; then
      fetch https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem "$folder/rds.pem"
      postgres="$postgres&sslrootcert=/etc/featurestore/rds.pem"
    fi
    echo "$postgres" | keep "$folder/postgres-url"
    echo "$redis" | keep "$folder/redis-url"
  fi
  for address in ${LISTEN//,/ }; do
    case $address in 127.* | localhost:* | "[::1]:"*) ;; *) open=true ;; esac
  done
  {
    echo "FEATURESTORE_DATA=/var/lib/featurestore"
    echo "FEATURESTORE_STORE_SPOOL_FOLDER=/var/lib/featurestore"
    echo "FEATURESTORE_ENVIRONMENT=$ENVIRONMENT"
    echo "FEATURESTORE_HTTP_LISTEN=$LISTEN"
    echo "FEATURESTORE_AUTH_ALLOW_UNAUTHENTICATED=$open"
    if [ -n "$POSTGRES_PARAMETER" ]; then
      echo "FEATURESTORE_POSTGRES_URL_FILE=/etc/featurestore/postgres-url"
      echo "FEATURESTORE_REDIS_URL_FILE=/etc/featurestore/redis-url"
    fi
  } | keep "$folder/environment"
}

write_unit() {
  cat >"$ROOT/etc/systemd/system/featurestore.service" <<'UNIT'
[Unit]
Description=featurestore: feature engineering and management
Wants=network-online.target
After=network-online.target

[Service]
User=featurestore
Group=featurestore
EnvironmentFile=/etc/featurestore/environment
ExecStart=/usr/local/bin/featurestore serve
Restart=always
RestartSec=2
TimeoutStopSec=25
StateDirectory=featurestore
StateDirectoryMode=0750
WorkingDirectory=/var/lib/featurestore

# Of 1 GiB some 250 MiB are the system's.
MemoryHigh=600M
MemoryMax=700M
MemorySwapMax=512M
TasksMax=512
LimitNOFILE=65536

NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=true
RestrictSUIDSGID=true
LockPersonality=true
CapabilityBoundingSet=
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
UNIT
}

start() {
  local try
  systemctl daemon-reload
  systemctl enable featurestore.service
  systemctl restart featurestore.service
  for try in $(seq 60); do
    if FEATURESTORE_HTTP_LISTEN="$LISTEN" FEATURESTORE_AUTH_ALLOW_UNAUTHENTICATED=true "$ROOT/usr/local/bin/featurestore" health 2>/dev/null; then
      say "it answers on $LISTEN"
      return
    fi
    sleep "${PAUSE:-2}"
  done
  stop "it does not answer after $try attempts: journalctl --unit featurestore"
}

check
make_swap
make_account
install_program
write_settings
write_unit
start
