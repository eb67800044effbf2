# Shared by the scripts; source it, do not run it.
# shellcheck shell=bash

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export root

# Compiled objects serve every checkout on this machine, whatever its folder is called.
export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# build PRESET TARGET... configures when needed and builds; without targets everything.
build() {
  local preset="$1"
  shift
  say "building ($preset)${*:+: $*}"
  (cd "$root" && cmake --preset "$preset" >"$root/build/configure-$preset.log" 2>&1) || {
    cat "$root/build/configure-$preset.log" >&2
    fail "cmake could not configure the preset $preset; scripts/bootstrap installs what it needs"
  }
  local targets=()
  (($# == 0)) || targets=(--target "$@")
  (cd "$root" && cmake --build --preset "$preset" -j "$(nproc)" "${targets[@]}")
}

mkdir -p "$root/build"
