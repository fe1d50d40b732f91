#!/usr/bin/env bash
# apt-unpack.sh ROOT PACKAGE - a server for the tests: fetches Debian's (or Ubuntu's) package and what it needs, and
# unpacks it under ROOT. Needs apt and the network, but neither root nor package lists, and installs nothing: apt works
# on lists of its own below ROOT. The programs are in ROOT/usr/sbin and ROOT/usr/bin, the libraries below ROOT/usr/lib.
set -euo pipefail

PROG=$(basename "$0")
die() { echo "$PROG: $*" >&2; exit 1; }

[ $# -eq 2 ] || die "usage: $PROG ROOT PACKAGE"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "there is no apt here: install $2"
mkdir -p "$1"
ROOT=$(readlink -f "$1")
exec 8>"$ROOT/.lock"; flock -w 300 8 || die "another unpack holds $ROOT"
[ -e "$ROOT/.complete" ] && exit 0

mkdir -p "$ROOT"/apt/{lists,cache/archives}/partial "$ROOT/debs"
# the sandbox user of apt could not read a cache below a private home
apt=(apt-get -qq -o "Dir::State::lists=$ROOT/apt/lists" -o "Dir::Cache=$ROOT/apt/cache" -o Debug::NoLocking=1
  -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=3)
export LC_ALL=C
"${apt[@]}" update >"$ROOT/apt/log" 2>&1 || { cat "$ROOT/apt/log" >&2; die "apt-get update failed (no network?)"; }
list=$("${apt[@]}" -s install --no-install-recommends "$2" | awk '/^Inst /{print $2}')
# installed already: then the caller would have found it
[ -n "$list" ] || die "apt has no package $2 for this system"
# shellcheck disable=SC2086
(cd "$ROOT/debs" && "${apt[@]}" download $list >>"$ROOT/apt/log" 2>&1) || { cat "$ROOT/apt/log" >&2; die "apt-get download failed"; }
for d in "$ROOT"/debs/*.deb; do dpkg-deb -x "$d" "$ROOT"; done
rm -rf "$ROOT/debs" "$ROOT/apt"
touch "$ROOT/.complete"
