# What the lanes of this folder share. A lane sets `lane` to its name and sources this file. With -h or --help it prints what
# its first comment says. Exit codes are those of docs/operating.md: 64 bad usage, 69 something can't be installed, 77 it
# takes root.
# shellcheck shell=bash disable=SC2034,SC2154

here=$(cd "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s: %s\n' "$lane" "$*"; }
fail() { local code=$1; shift; printf '%s: %s\n' "$lane" "$*" >&2; exit "$code"; }

case ${1:-} in
-h | --help)
    sed --quiet '2,$ { /^#/!q; s/^# \{0,1\}//; p }' "$0"
    exit 0
    ;;
esac

# Called with the options that are left, where the first one takes a value.
need_value() { [ $# -gt 1 ] || fail 64 "$1 takes a value"; }

need_root() { [ "$(id -u)" = 0 ] || fail 77 "it takes root"; }

# Installs those of these Debian packages that are missing.
need_packages() {
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    need_root
    say "installing Debian packages: ${missing[*]}"
    apt-get -qq update >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
        -o DPkg::Lock::Timeout=300 "${missing[@]}" >/dev/null </dev/null || fail 69 "apt could not install ${missing[*]}"
}

# Sets `python` to one that has what tests need: the launcher's own, or the one that MESHWG_PYTHON names.
need_python() {
    python=${MESHWG_PYTHON:-$here/.venv/bin/python}
    [ -n "${MESHWG_PYTHON:-}" ] || "$here/meshwg" setup
}
