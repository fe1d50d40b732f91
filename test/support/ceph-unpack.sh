#!/usr/bin/env bash
# ceph-unpack.sh ROOT - Ceph's programs for the tests: fetches Debian's (or Ubuntu's) packages and unpacks them
# under ROOT. Needs apt and the network, but neither root nor package lists, and installs nothing: apt works on
# lists of its own below ROOT. About 20 s the first time and 200 MB on disk; afterwards a quick check that
# the programs still run. ceph-rgw.sh then takes them with CEPH_ROOT=ROOT.
set -uo pipefail

PROG=$(basename "$0")
PACKAGES=(radosgw ceph-mon ceph-osd)      # with ceph-base, ceph-common, librados2; without ceph-mgr and its 50 packages
# what only a real installation needs
SKIP='lvm2|dmeventd|dmsetup|libdevmapper.*|liblvm2cmd.*|sudo|parted|libparted2|nvme-cli|libnvme1|smartmontools|dmidecode|cryptsetup-bin|libpopt0|gdisk|hdparm|logrotate|uuid-runtime|xfsprogs|libinih1|liburcu8|libcephfs2|librbd1|librgw2|libradosstriper1|python3-(certifi|charset-normalizer|idna|urllib3|chardet|requests|cephfs|rbd|rgw|ceph)'

die() { echo "$PROG: $*" >&2; exit 1; }

[ $# -eq 1 ] || die "usage: $PROG ROOT"
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null \
  || die "there is no apt here: set S3_TEST_ENDPOINT, S3_TEST_KEY and S3_TEST_SECRET to use an S3 server that runs elsewhere"
mkdir -p "$1" || die "cannot make $1"
ROOT=$(readlink -f "$1")
exec 8>"$ROOT/.lock"; flock -w 600 8 || die "another unpack holds $ROOT"

# A cache may be older than the system it lies on: a library that was installed then may be missing now.
works() {
  [ -e "$ROOT/.complete" ] || return 1
  local p
  for p in radosgw ceph-mon ceph-osd radosgw-admin ceph; do
    CEPH_ROOT=$ROOT bash "$(dirname "$0")/ceph-rgw.sh" run "$p" --version >/dev/null 2>&1 || return 1
  done
}
works && { echo "$PROG: already unpacked in $ROOT"; exit 0; }

foreign=$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name .lock ! -name .complete ! -name apt ! -name debs ! -name usr ! -name etc ! -name lib ! -name lib64 ! -name bin ! -name sbin ! -name var)
[ -z "$foreign" ] || die "$ROOT holds files of somebody else; give an empty folder"
find "$ROOT" -mindepth 1 -maxdepth 1 ! -name .lock -exec rm -rf {} +
mkdir -p "$ROOT"/apt/{lists,cache/archives}/partial "$ROOT/debs"

# the sandbox user of apt could not read a cache below a private home
apt=(apt-get -qq -o "Dir::State::lists=$ROOT/apt/lists" -o "Dir::Cache=$ROOT/apt/cache" -o Debug::NoLocking=1
  -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=3)
export LC_ALL=C
"${apt[@]}" update >"$ROOT/apt/log" 2>&1 || { cat "$ROOT/apt/log" >&2; die "apt-get update failed (no network?): cannot fetch Ceph"; }
list=$("${apt[@]}" -s install --no-install-recommends "${PACKAGES[@]}" 2>>"$ROOT/apt/log" | awk '/^Inst /{print $2}' | grep -vxE "$SKIP")
[ -n "$list" ] || { cat "$ROOT/apt/log" >&2; die "apt has no packages ${PACKAGES[*]} for this system"; }
# shellcheck disable=SC2086
(cd "$ROOT/debs" && "${apt[@]}" download $list >>"$ROOT/apt/log" 2>&1) || { cat "$ROOT/apt/log" >&2; die "apt-get download failed"; }
for d in "$ROOT"/debs/*.deb; do dpkg-deb -x "$d" "$ROOT" || die "cannot unpack $d"; done
rm -rf "$ROOT/debs" "$ROOT/apt"
touch "$ROOT/.complete"
works || { rm -f "$ROOT/.complete"; die "the unpacked programs do not run on this system"; }
echo "$PROG: unpacked $(wc -w <<<"$list") packages, $(du -sm "$ROOT" | cut -f1) MB, in $ROOT"
