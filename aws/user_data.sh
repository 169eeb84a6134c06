#!/bin/bash
# User data for an EC2 instance with Amazon Linux 2023 or Amazon Linux 2, x86-64 or Graviton: Docker, the Compose
# plugin, deployer-service with its unit. The instance's role needs aws/iam-policy.json.
#
# Put your values in the first block. The script may run again at any time: it adds what is missing and leaves alone
# what is there (use upgrade.sh for another release). It never writes your compose file: put it at the path
# that DOCKER_COMPOSE_FILE names; until then the daemon runs and GET /ready says what is missing.
set -euo pipefail

# ---- your values ----
repository="${DEPLOYER_REPOSITORY:-}" # owner/name on GitHub, where the releases are
release="latest"                      # or a tag such as v1.2.3
aws_region=""                         # empty: the instance's own
ecr_account_id=""                     # whose registry; empty: the instance's own account
public_key="$(
  cat <<'EOF'
-----BEGIN PUBLIC KEY-----
REPLACE_WITH_YOUR_PUBLIC_KEY
-----END PUBLIC KEY-----
EOF
)"
# ---------------------

compose_version="v2.40.3"
compose_sha256_x86_64="dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372"
compose_sha256_aarch64="d26373b19e89160546d15407516cc59f453030d9bc5b43ba7faf16f7b4980137"

# Other places, so that the script can be tried without touching this machine.
root="${DEPLOYER_ROOT:-}"
github="${DEPLOYER_GITHUB:-https://github.com}"
metadata="${DEPLOYER_METADATA:-http://169.254.169.254}"

opt="/opt/deployer-service"
etc="/etc/deployer-service"
compose_file="$opt/compose/docker-compose.yml"
plugin="/usr/local/lib/docker/cli-plugins/docker-compose"
unit="/etc/systemd/system/deployer.service"

main() {
  [[ -n "$repository" ]] || die "repository is not set"
  [[ "$public_key" != *REPLACE_WITH_YOUR_PUBLIC_KEY* || -n "$(ls -A "$root$etc/keys" 2>/dev/null)" ]] ||
    die "public_key is still the placeholder"
  work="$(mktemp -d)"
  trap 'rm -rf "$work"' EXIT

  install_docker
  install_compose
  make_user
  install_program
  write_settings
  systemctl daemon-reload
  systemctl enable deployer
  systemctl start deployer
  say "done: journalctl -u deployer -f"
}

say() { echo "deployer: $*"; }

die() {
  echo "deployer: $*" >&2
  exit 1
}

install_docker() {
  if ! command -v docker >/dev/null; then
    say "installing docker"
    yum install -y docker
  fi
  systemctl enable docker
  systemctl start docker
}

# Amazon Linux has no package of the Compose plugin.
install_compose() {
  [[ ! -x "$root$plugin" ]] || return 0
  local machine sum
  machine="$(uname -m)"
  case "$machine" in
    x86_64) sum="$compose_sha256_x86_64" ;;
    aarch64) sum="$compose_sha256_aarch64" ;;
    *) die "no compose plugin for $machine" ;;
  esac
  say "installing docker compose $compose_version"
  fetch "$github/docker/compose/releases/download/$compose_version/docker-compose-linux-$machine" "$work/compose"
  echo "$sum  $work/compose" | sha256sum --check --quiet || die "the checksum of the compose plugin is wrong"
  put 0755 "$work/compose" "$plugin"
}

make_user() {
  id deployer >/dev/null 2>&1 ||
    useradd --system --home-dir /var/lib/deployer-service --no-create-home --shell /sbin/nologin \
      --groups docker deployer
  install -d -m 0755 "$root$opt" "$root$opt/compose" "$root$etc" "$root$etc/keys"
}

install_program() {
  [[ ! -x "$root$opt/deployer" || ! -f "$root$unit" ]] || return 0
  local base asset="deployer-service"
  [[ "$(uname -m)" != aarch64 ]] || asset="deployer-service-linux-arm64"
  base="$github/$repository/releases/latest/download"
  [[ "$release" == latest ]] || base="$github/$repository/releases/download/$release"

  say "installing deployer-service $release"
  local file
  for file in SHA256SUMS "$asset" deployer-hardened.service upgrade.sh; do
    fetch "$base/$file" "$work/$file"
  done
  for file in "$asset" deployer-hardened.service upgrade.sh; do
    (cd "$work" && grep -E "^[0-9a-f]{64} [ *]$file\$" SHA256SUMS | sha256sum --check --quiet) ||
      die "the checksum of $file is wrong"
  done
  put 0755 "$work/upgrade.sh" "$opt/upgrade.sh"
  put 0755 "$work/$asset" "$opt/deployer"
  ln -sfn deployer "$root$opt/jwt" # called by this name it is the jwt tool
  [[ -f "$root$unit" ]] || put 0644 "$work/deployer-hardened.service" "$unit"
}

write_settings() {
  if [[ -z "$(ls -A "$root$etc/keys")" ]]; then
    echo "$public_key" >"$work/key"
    put 0644 "$work/key" "$etc/keys/deployer.pub"
  fi
  [[ ! -f "$root$etc/deployer.env" ]] || return 0
  local region="$aws_region" account="$ecr_account_id"
  [[ -n "$region" ]] || region="$(of_instance region)"
  [[ -n "$account" ]] || account="$(of_instance accountId)"
  cat >"$work/env" <<EOF
JWT_PUBLIC_KEY_PATH=$etc/keys
DOCKER_COMPOSE_FILE=$compose_file
AWS_REGION=$region
ECR_ACCOUNT_ID=$account
DEBUG_MODE=false
EOF
  put 0600 "$work/env" "$etc/deployer.env"
}

# A value of the instance identity document, by IMDSv2.
of_instance() {
  local token document value
  token="$(curl -fsS --max-time 10 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$metadata/latest/api/token")"
  document="$(curl -fsS --max-time 10 -H @- "$metadata/latest/dynamic/instance-identity/document" \
    <<<"X-aws-ec2-metadata-token: $token")"
  value="$(sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" <<<"$document")"
  [[ -n "$value" ]] || die "the instance does not know its $1; set it at the top"
  echo "$value"
}

fetch() {
  curl -fsSL --retry 5 --retry-delay 3 --connect-timeout 10 --max-time 900 -o "$2" "$1" || die "cannot download $1"
}

# Whole or not at all: an interrupted run must not leave half a file that looks installed.
put() {
  install -D -m "$1" "$2" "$root$3.part"
  mv -f "$root$3.part" "$root$3"
}

main
