#!/bin/bash
# Puts another release of deployer-service in place of the one that runs here. Run as root on the instance:
#
#   upgrade.sh            the newest release
#   upgrade.sh v1.2.3     that release (an older one, too)
#
# The download is checked against the release's SHA256SUMS, renamed over the file that the systemd unit starts, and the
# service is restarted. If it is not healthy in time, or is not the version that was asked for, the previous program is
# put back and restarted. The previous program stays beside the new one as FILE.previous. Unit files are not touched.
#
# SHA256SUMS comes from the same place as the program: it finds a damaged download, not a dishonest server.
#
# Environment (all optional):
#   DEPLOYER_REPOSITORY     owner/name on GitHub
#   DEPLOYER_RELEASES_URL   where releases are, instead of https://github.com/<owner>/<name>/releases
#   DEPLOYER_UNIT           the systemd unit (deployer)
#   DEPLOYER_URL            where the daemon answers (from the running daemon's PORT, BIND_ADDRESS and TLS_CERT_FILE)
#   DEPLOYER_HEALTH_SECONDS how long the new program may take to answer (30)
#
# Exit: 0 upgraded, or that version runs already; 1 nothing was changed; 2 usage; 3 the previous program was put back;
#       5 it was put back and is not healthy either: look at journalctl -u deployer.
set -euo pipefail

# The release workflow writes owner/name here.
repository=""

health_seconds="${DEPLOYER_HEALTH_SECONDS:-30}"
unit="${DEPLOYER_UNIT:-deployer}"
restart_seconds=180 # a stop may take the unit's TimeoutStopSec=120
download_seconds=900
settle_seconds=2
default_port=8686

main() {
  [[ "${1:-}" != -* && $# -le 1 ]] || usage
  wanted="${1:-}"
  [[ -z "$wanted" || "$wanted" =~ ^v[0-9][0-9A-Za-z.+-]*$ ]] || usage
  [[ "$health_seconds" =~ ^[1-9][0-9]*$ ]] || die "DEPLOYER_HEALTH_SECONDS is not a number of seconds: $health_seconds"
  need curl sha256sum flock systemctl timeout

  releases="$(releases_url)"
  asset="$(asset_name)"
  binary="$(unit_binary)"
  new="$binary.new"
  rollback="$binary.rollback"
  [[ -w "$(dirname "$binary")" ]] || die "$(dirname "$binary") is not writable; run this as root"
  lock
  keep_after_interruption

  [[ -n "$wanted" ]] || wanted="$(newest_version)"
  if [[ "$(get version)" == "$wanted" ]]; then
    say "$wanted runs already"
    return 0
  fi
  download
  try_new
  swap
}

usage() {
  echo "usage: upgrade.sh [v1.2.3]" >&2
  exit 2
}

# A terminal that went away must not end the script half-way.
say() { echo "$*" 2>/dev/null || true; }

die() {
  echo "upgrade: $*" >&2 || true
  exit 1
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "$tool is needed and not installed"
  done
}

releases_url() {
  local from="${DEPLOYER_REPOSITORY:-$repository}"
  if [[ -n "${DEPLOYER_RELEASES_URL:-}" ]]; then
    echo "${DEPLOYER_RELEASES_URL%/}"
  elif [[ -n "$from" ]]; then
    echo "https://github.com/$from/releases"
  else
    die "from where? set DEPLOYER_REPOSITORY=owner/name"
  fi
}

asset_name() {
  case "$(uname -m)" in
    x86_64) echo deployer-service ;;
    aarch64 | arm64) echo deployer-service-linux-arm64 ;;
    *) die "there is no release for $(uname -m)" ;;
  esac
}

# systemd 219 has no "show --value".
unit_property() {
  local line
  line="$(systemctl show -p "$1" "$unit" 9>&-)"
  echo "${line#*=}"
}

unit_binary() {
  local exec_start path
  exec_start="$(unit_property ExecStart)"
  path="${exec_start#*path=}"
  path="${path%% ;*}"
  [[ "$exec_start" == *path=/* && -f "$path" ]] || die "the unit $unit starts no program that is here (systemctl cat $unit)"
  echo "$path"
}

lock() {
  exec 9>"$binary.lock"
  flock -n 9 || die "another upgrade is running"
}

keep_after_interruption() {
  [[ -e "$rollback" ]] || return 0
  mv -f "$rollback" "$binary.previous"
  say "an earlier upgrade was interrupted; the program before it is $binary.previous"
}

# GitHub answers /latest with a redirect to /tag/<version>.
newest_version() {
  local url
  url="$(fetch --head --output /dev/null --write-out '%{url_effective}' "$releases/latest")" || die "cannot reach $releases"
  [[ "$url" =~ /tag/(v[0-9][0-9A-Za-z.+-]*)$ ]] || die "$releases has no release"
  echo "${BASH_REMATCH[1]}"
}

download() {
  local sum
  trap 'rm -f "$new" "$new.sums"' EXIT
  say "downloading $wanted"
  fetch --output "$new.sums" "$releases/download/$wanted/SHA256SUMS" || die "cannot download SHA256SUMS of $wanted"
  sum="$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$asset\$/\1/p" "$new.sums")"
  [[ -n "$sum" ]] || die "SHA256SUMS of $wanted does not name $asset"
  fetch --output "$new" "$releases/download/$wanted/$asset" || die "cannot download $asset of $wanted"
  echo "$sum  $new" | sha256sum --check --status || die "the checksum of $asset is wrong; nothing was changed"
  chown --reference="$binary" "$new"
  chmod 0755 "$new"
  sync "$new" 2>/dev/null || sync
}

fetch() {
  local only="=https"
  [[ "$releases" == https://* ]] || only="=http,https"
  curl --fail --silent --show-error --location --proto "$only" --retry 2 --connect-timeout 10 \
    --speed-limit 1000 --speed-time 30 --max-time "$download_seconds" "$@"
}

# Before anything is stopped: does it start on this machine at all, and is it what it says?
try_new() {
  local answer
  answer="$(cd / && env -i PATH="$PATH" timeout 20 "$new" version 9>&- 2>&1)" || die "the new program does not run here: ${answer:-no output}"
  [[ " ${answer//$'\n'/ } " == *" $wanted "* ]] || die "the new program says it is \"$answer\", not $wanted"
}

swap() {
  ln -f "$binary" "$rollback"
  trap put_back EXIT
  trap '' HUP
  trap 'exit 130' INT TERM
  mv -f "$new" "$binary"
  say "restarting $unit"
  restart || say "systemctl restart $unit failed"
  if ! becomes_healthy; then
    say "$wanted is not healthy after $health_seconds s"
    exit 3
  fi
  local answer
  answer="$(get version)"
  if [[ "$answer" != "$wanted" ]]; then
    say "/version answers \"$answer\", not $wanted"
    exit 3
  fi
  mv -f "$rollback" "$binary.previous"
  trap - EXIT
  rm -f "$new.sums"
  say "$wanted is healthy; the previous program is $binary.previous"
}

put_back() {
  trap '' INT TERM EXIT
  set +e
  rm -f "$new" "$new.sums"
  say "putting the previous program back"
  if ! mv -f "$rollback" "$binary"; then
    say "cannot rename $rollback to $binary: do it by hand"
    exit 5
  fi
  restart
  if ! becomes_healthy; then
    say "the previous program is not healthy either: journalctl -u $unit"
    exit 5
  fi
  say "the previous program is back and healthy"
  exit 3
}

restart() { timeout "$restart_seconds" systemctl restart "$unit" 9>&-; }

# Twice, so that a program which answers once and dies is found out.
becomes_healthy() {
  local deadline=$((SECONDS + health_seconds))
  until healthy; do
    ((SECONDS < deadline)) || return 1
    sleep 0.5
  done
  sleep "$settle_seconds"
  healthy
}

healthy() { [[ "$(get health)" == "deployer healthy" ]]; }

get() {
  if [[ -n "${DEPLOYER_URL:-}" ]]; then
    ask "$DEPLOYER_URL/$1"
  else
    # The certificate names the host, not this address, which only the daemon answers at; nothing secret is sent.
    ask --insecure "$(daemon_url)/$1"
  fi
}

ask() { curl --noproxy '*' --fail --silent --max-time 2 "$@" || true; }

# The address as the running daemon was told it, wherever its unit has it from.
daemon_url() {
  local pid port="" address="" scheme=http
  pid="$(unit_property MainPID)"
  if [[ "$pid" =~ ^[1-9][0-9]*$ ]]; then
    port="$(variable_of "$pid" PORT)"
    address="$(variable_of "$pid" BIND_ADDRESS)"
    [[ -z "$(variable_of "$pid" TLS_CERT_FILE)" ]] || scheme=https
  fi
  case "$address" in
    "" | 0.0.0.0 | "::") address=127.0.0.1 ;;
    *:*) address="[$address]" ;;
  esac
  echo "$scheme://$address:${port:-$default_port}"
}

variable_of() {
  local pair
  pair="$(grep -z -m 1 "^$2=" "/proc/$1/environ" 2>/dev/null | tr -d '\0')" || true
  echo "${pair#*=}"
}

main "$@"
