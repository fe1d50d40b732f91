#!/usr/bin/env bash
# ceph-rgw.sh - a throw-away, single-node, REAL Ceph cluster with a RADOS Gateway (S3 API).
#
#   ceph-rgw.sh start  DIR PORT      start mon + osd + radosgw under DIR, S3 on http://127.0.0.1:PORT
#   ceph-rgw.sh stop   DIR           stop exactly those processes (by PID) and remove DIR
#   ceph-rgw.sh status DIR           0 and one line when all of them run; 1 otherwise
#   ceph-rgw.sh gateway DIR          start the radosgw again that was killed, on its old port; mon and osd ran on
#   ceph-rgw.sh env    DIR           print the settings as KEY=VALUE lines (for `eval` or dotenv)
#   ceph-rgw.sh admin  DIR ARGS...   run radosgw-admin against the cluster
#   ceph-rgw.sh run    PROGRAM ...   run one of Ceph's programs where CEPH_ROOT says they are
#
# No systemd, no mgr daemon, no cephx, no root: everything lives in DIR and listens on 127.0.0.1 only. About 1.5 s
# to start (bluestore: 5 s), ~135 MB RSS in all when fresh.
#
# Settings (environment, all optional):
#   CEPH_ROOT             where ceph-unpack.sh put the programs (default: the installed ones)
#   RGW_ACCESS_KEY / RGW_SECRET_KEY    first user  "main"   (default: RGWMAINACCESSKEY / rgwMainSecretKey)
#   RGW_ACCESS_KEY2 / RGW_SECRET_KEY2  second user "other"  (default: RGWOTHERACCESSKEY / rgwOtherSecretKey)
#   RGW_REGION            S3 region name reported by the zonegroup (default: us-east-1)
#   RGW_DNS_NAME          host name for virtual-hosted-style buckets (default: s3.localhost); path style always works
#   RGW_STORE             memstore (default: in RAM, fastest) | bluestore (a sparse file in DIR)
#   RGW_STORE_BYTES       capacity of the OSD in bytes (default: 8 GiB; nothing is preallocated)
#   RGW_STORAGE_CLASSES   extra storage classes (default: "STANDARD_IA GLACIER"; empty for none)
#   RGW_LC_DEBUG_INTERVAL seconds that count as one lifecycle "day" (default: 0 = real days)
#   RGW_DEFAULT_SSE_KEY   base64 of 32 bytes: encrypt every object at rest with this key (default: off)
#   RGW_ZONE2_PORT        also start a second gateway there, a second zone of the same zonegroup: users, buckets and
#                         objects are really copied between the two, asynchronously (two "regions" to test against)
#   RGW_REPLICATION       1 (default): PutBucketReplication is accepted and stored; with a second zone only buckets
#                         so configured are copied | all: every bucket is copied (needs a second zone) | 0: 405
#   RGW_LOG_LEVEL         debug_rgw level, e.g. 20 (default: 1)
#   RGW_START_TIMEOUT     seconds each start-up step may take (default 60)
set -uo pipefail

PROG=$(basename "$0")
SELF=$(readlink -f "$0")
MARK=.ceph-rgw                            # lock file, and the mark that DIR is ours to wipe
AK=${RGW_ACCESS_KEY:-RGWMAINACCESSKEY};   SK=${RGW_SECRET_KEY:-rgwMainSecretKey}
AK2=${RGW_ACCESS_KEY2:-RGWOTHERACCESSKEY}; SK2=${RGW_SECRET_KEY2:-rgwOtherSecretKey}
REGION=${RGW_REGION:-us-east-1}
DNS_NAME=${RGW_DNS_NAME:-s3.localhost}
STORE=${RGW_STORE:-memstore}
STORE_BYTES=${RGW_STORE_BYTES:-8589934592}
CLASSES=${RGW_STORAGE_CLASSES-STANDARD_IA GLACIER}
ZONE2_PORT=${RGW_ZONE2_PORT:-}
REPLICATION=${RGW_REPLICATION:-1}
LC_DEBUG=${RGW_LC_DEBUG_INTERVAL:-0}
STEP_TIMEOUT=${RGW_START_TIMEOUT:-60}

die() { echo "$PROG: $*" >&2; exit 1; }
usage() { sed -n '2,/^set -uo/p' "$SELF" | sed -n 's/^# \{0,1\}//p' >&2; exit 2; }
now_ms() { date +%s%3N; }

# pid_alive DIR NAME: the recorded process still runs AND is ours (its command line names DIR/ceph.conf,
# so a recycled PID is never touched).
pid_alive() {
  local f=$1/run/$2.pid pid
  [ -s "$f" ] || return 1
  pid=$(<"$f"); case $pid in ''|*[!0-9]*) return 1;; esac
  [ -r "/proc/$pid/cmdline" ] && tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF -- "$1/ceph.conf"
}

# port_busy PORT: something accepts connections there
port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for WHAT CMD...: poll every 50 ms, at most STEP_TIMEOUT seconds; fails at once when a daemon died
wait_for() {
  local what=$1 end; shift; end=$(( $(now_ms) + STEP_TIMEOUT * 1000 ))
  until "$@" >/dev/null 2>&1; do
    for d in $STARTED; do pid_alive "$DIR" "$d" || { fail_log "$d died while waiting for $what"; return 1; }; done
    [ "$(now_ms)" -lt "$end" ] || { fail_log "timed out after ${STEP_TIMEOUT}s waiting for $what"; return 1; }
    sleep 0.05
  done
}
fail_log() {
  echo "$PROG: $1" >&2
  local f; for f in "$DIR"/log/*; do [ -s "$f" ] && { echo "--- tail of $f" >&2; tail -n 15 "$f" | cut -c1-300 >&2; }; done
}

osd_up() { ceph -c "$DIR/ceph.conf" --connect-timeout 5 osd stat | grep -q '1 up'; }

# spawn NAME CMD...: start a daemon detached from this shell, remember its PID
spawn() {
  local name=$1 pid i; shift
  setsid nohup "$@" >"$DIR/log/$name.out" 2>&1 </dev/null 9>&- &
  pid=$!; disown $pid 2>/dev/null; echo $pid >"$DIR/run/$name.pid"
  # until the child has exec'ed, its command line is still this script's and pid_alive would call it dead
  for i in $(seq 1 100); do pid_alive "$DIR" "$name" && break; [ -d /proc/$pid ] || break; sleep 0.02; done
  STARTED="$STARTED $name"
}

# use_root: take the programs, libraries and plug-ins from CEPH_ROOT when it is set
use_root() {
  LIBDIR=/usr/lib/$(uname -m)-linux-gnu
  [ -n "${CEPH_ROOT:-}" ] || return 0
  CEPH_ROOT=$(readlink -f "$CEPH_ROOT"); [ -e "$CEPH_ROOT/.complete" ] || die "$CEPH_ROOT is not complete: run ceph-unpack.sh $CEPH_ROOT"
  # `ceph` is a Python program; where Python came with the packages, its #! line does not find it
  [ -x /usr/bin/python3 ] || ceph() { "$CEPH_ROOT/usr/bin/python3" "$CEPH_ROOT/usr/bin/ceph" "$@"; }
  export PATH=$CEPH_ROOT/usr/bin:$PATH PYTHONPATH=$CEPH_ROOT/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
  export LD_LIBRARY_PATH=$CEPH_ROOT$LIBDIR:$CEPH_ROOT$LIBDIR/ceph:$CEPH_ROOT/lib/${LIBDIR##*/}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

# shellcheck source=ceph-conf.sh
. "${SELF%/*}/ceph-conf.sh"

cmd_start() {
  DIR=$1; PORT=$2; STARTED=
  case $PORT in ''|*[!0-9]*) die "PORT must be a number";; esac
  use_root
  for b in ceph-mon ceph-osd radosgw radosgw-admin monmaptool ceph; do command -v $b >/dev/null || die "$b not found: run ceph-unpack.sh ROOT and set CEPH_ROOT=ROOT"; done
  # without -p: where the folder above is gone, so is the run that wanted the cluster
  [ -d "$DIR" ] || mkdir "$DIR" || die "cannot make $DIR"
  DIR=$(readlink -f "$DIR")
  # DIR is wiped on start and stop, so it must be empty or carry our mark
  [ -e "$DIR/$MARK" ] || [ -z "$(ls -A "$DIR")" ] || die "$DIR is not empty and not mine; give an empty or new directory"
  # one start at a time per DIR
  exec 9>"$DIR/$MARK"; flock -w 120 9 || die "another start or stop holds $DIR"
  if cmd_status "$DIR" >/dev/null 2>&1 && [ "$(sed -n 's/^RGW_PORT=//p' "$DIR/env" 2>/dev/null)" = "$PORT" ]; then
    echo "$PROG: already running: http://127.0.0.1:$PORT"; return 0
  fi
  halt "$DIR"                                  # a half-dead or differently-ported one of ours
  port_busy "$PORT" && die "port $PORT is in use"
  [ -n "$ZONE2_PORT" ] && port_busy "$ZONE2_PORT" && die "port $ZONE2_PORT is in use"
  find "$DIR" -mindepth 1 -maxdepth 1 ! -name "$MARK" -exec rm -rf {} +
  mkdir -p "$DIR"/{mon,osd,log,run,rgw}
  MON_PORT=; for i in $(seq 1 200); do p=$(( (PORT + 9999 + i * 7) % 50000 + 10000 )); port_busy $p || { MON_PORT=$p; break; }; done
  [ -n "$MON_PORT" ] || die "no free port for the monitor"
  FSID=$(</proc/sys/kernel/random/uuid); local osd_uuid; osd_uuid=$(</proc/sys/kernel/random/uuid)
  local conf=$DIR/ceph.conf t0; t0=$(now_ms)
  write_conf
  local -; set +e
  trap 'halt "$DIR"; exit 1' INT TERM

  # 1. monitor
  { monmaptool --create --addv a "[v2:127.0.0.1:$MON_PORT]" --fsid "$FSID" "$DIR/monmap" &&
    ceph-mon -i a -c "$conf" --mkfs --monmap "$DIR/monmap"; } >"$DIR/log/mkfs.out" 2>&1 || { fail_log "mon mkfs failed"; halt "$DIR"; exit 1; }
  spawn mon ceph-mon -f -i a -c "$conf"
  wait_for "the monitor" ceph -c "$conf" --connect-timeout 5 mon stat || { halt "$DIR"; exit 1; }

  # 2. one OSD (id 0). PGs are created by mon + osd; a mgr is only for statistics (`ceph df` would block).
  { ceph -c "$conf" --connect-timeout 20 osd new "$osd_uuid" 0 &&
    ceph-osd -i 0 -c "$conf" --mkfs --osd-uuid "$osd_uuid"; } >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "osd mkfs failed"; halt "$DIR"; exit 1; }
  spawn osd ceph-osd -f -i 0 -c "$conf"
  wait_for "the osd" osd_up || { halt "$DIR"; exit 1; }

  # 3. users and storage classes, before the gateway reads its zone
  local adm=(timeout "$STEP_TIMEOUT" radosgw-admin -c "$conf")
  {
    "${adm[@]}" user create --uid main --display-name Main --access-key "$AK" --secret-key "$SK" &&
    "${adm[@]}" user create --uid other --display-name Other --access-key "$AK2" --secret-key "$SK2" &&
    "${adm[@]}" zonegroup get >"$DIR/zg.json" &&
    sed -i "s/\"api_name\": \"[^\"]*\"/\"api_name\": \"$REGION\"/" "$DIR/zg.json" &&
    sync_policy "$DIR/zg.json" &&
    "${adm[@]}" zonegroup set --rgw-zonegroup=default --infile "$DIR/zg.json"
  } >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "radosgw-admin failed"; halt "$DIR"; exit 1; }
  local sc; for sc in $CLASSES; do
    { "${adm[@]}" zonegroup placement add --rgw-zonegroup default --placement-id default-placement --storage-class "$sc" &&
      "${adm[@]}" zone placement add --rgw-zone default --placement-id default-placement --storage-class "$sc" --data-pool default.rgw.buckets.data
    } >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "storage class $sc failed"; halt "$DIR"; exit 1; }
  done

  # 4. a second zone: realm + system user + zone, committed as a period
  if [ -n "$ZONE2_PORT" ]; then
    local sk1=$FSID; sk1=${sk1//-/}
    {
      "${adm[@]}" realm create --rgw-realm=r --default &&
      "${adm[@]}" zonegroup modify --rgw-realm=r --rgw-zonegroup=default --endpoints="http://127.0.0.1:$PORT" --master --default &&
      "${adm[@]}" zone modify --rgw-realm=r --rgw-zonegroup=default --rgw-zone=default --endpoints="http://127.0.0.1:$PORT" \
        --access-key=SYNC --secret="$sk1" --master --default &&
      "${adm[@]}" user create --uid=sync --display-name=sync --system --access-key=SYNC --secret="$sk1" &&
      "${adm[@]}" zone create --rgw-realm=r --rgw-zonegroup=default --rgw-zone=second --endpoints="http://127.0.0.1:$ZONE2_PORT" \
        --access-key=SYNC --secret="$sk1"
    } >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "making the second zone failed"; halt "$DIR"; exit 1; }
    for sc in $CLASSES; do
      "${adm[@]}" zone placement add --rgw-zone second --placement-id default-placement --storage-class "$sc" --data-pool second.rgw.buckets.data \
        >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "storage class $sc failed"; halt "$DIR"; exit 1; }
    done
    if [ "$REPLICATION" = 1 ]; then
      {
        "${adm[@]}" sync group create --group-id=any --status=allowed &&
        "${adm[@]}" sync group flow create --group-id=any --flow-id=f --flow-type=symmetrical --zones=default,second &&
        "${adm[@]}" sync group pipe create --group-id=any --pipe-id=p --source-zones='*' --source-bucket='*' --dest-zones='*' --dest-bucket='*'
      } >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "sync policy failed"; halt "$DIR"; exit 1; }
    fi
    "${adm[@]}" period update --commit >>"$DIR/log/mkfs.out" 2>&1 || { fail_log "period commit failed"; halt "$DIR"; exit 1; }
  fi

  # 5. the gateway
  start_gateway || { halt "$DIR"; exit 1; }
  if [ -n "$ZONE2_PORT" ]; then
    spawn rgw2 radosgw -f -n client.rgw2 -c "$conf" --rgw_zone=second --rgw_frontends "beast endpoint=127.0.0.1:$ZONE2_PORT tcp_nodelay=1"
    wait_for "radosgw on 127.0.0.1:$ZONE2_PORT" port_busy "$ZONE2_PORT" || { halt "$DIR"; exit 1; }
  fi

  cat >"$DIR/env" <<E
RGW_ENDPOINT=http://127.0.0.1:$PORT
RGW_PORT=$PORT
RGW_REGION=$REGION
RGW_ACCESS_KEY=$AK
RGW_SECRET_KEY=$SK
RGW_ACCESS_KEY2=$AK2
RGW_SECRET_KEY2=$SK2
RGW_DNS_NAME=$DNS_NAME
${ZONE2_PORT:+RGW_ENDPOINT2=http://127.0.0.1:$ZONE2_PORT}
E
  trap - INT TERM
  echo "$PROG: ready in $(( $(now_ms) - t0 )) ms: http://127.0.0.1:$PORT (store $STORE, access key $AK)"
}

# start_gateway: the first radosgw (tcp_nodelay: without it small replies wait 40 ms for a delayed ACK)
start_gateway() {
  spawn rgw radosgw -f -n client.rgw -c "$DIR/ceph.conf" ${ZONE2_PORT:+--rgw_zone=default} --rgw_frontends "beast endpoint=127.0.0.1:$PORT tcp_nodelay=1"
  wait_for "radosgw on 127.0.0.1:$PORT" port_busy "$PORT"
}
cmd_gateway() {
  DIR=$(readlink -f "$1") && [ -e "$DIR/$MARK" ] && [ -e "$DIR/env" ] || die "there is no cluster of mine at $1"
  STARTED=
  use_root
  exec 9>"$DIR/$MARK"; flock -w 60 9 || die "another start or stop holds $DIR"
  PORT=$(sed -n 's/^RGW_PORT=//p' "$DIR/env"); ZONE2_PORT=$(sed -n 's/^RGW_ENDPOINT2=.*://p' "$DIR/env")
  pid_alive "$DIR" rgw || start_gateway || exit 1
}

# halt DIR: end rgw, osd, mon - TERM, up to 5 s, then KILL; only processes that are provably ours
halt() {
  local d=$1 n pid i
  for n in rgw2 rgw osd mon; do
    pid_alive "$d" $n || { rm -f "$d/run/$n.pid"; continue; }
    pid=$(<"$d/run/$n.pid"); kill -TERM "$pid" 2>/dev/null
    for i in $(seq 1 100); do pid_alive "$d" $n || break; [ "${n#rgw}" != "$n" ] || [ "$STORE" != memstore ] || [ "$i" -lt 4 ] || kill -KILL "$pid" 2>/dev/null; sleep 0.05; done
    pid_alive "$d" $n && kill -KILL "$pid" 2>/dev/null
    for i in $(seq 1 40); do pid_alive "$d" $n || break; sleep 0.05; done
    rm -f "$d/run/$n.pid"
  done
}
cmd_stop() {
  [ -d "$1" ] || { echo "$PROG: nothing at $1"; return 0; }
  DIR=$(readlink -f "$1")
  [ -e "$DIR/$MARK" ] || die "$DIR is not a directory of mine"
  exec 9>"$DIR/$MARK"; flock -w 60 9 || die "another start or stop holds $DIR"
  halt "$DIR"; rm -rf "$DIR"; echo "$PROG: stopped"
}
cmd_status() {
  local d n; d=$(readlink -f "$1") || return 1
  for n in mon osd rgw $(grep -q ^RGW_ENDPOINT2= "$d/env" 2>/dev/null && echo rgw2); do pid_alive "$d" $n || { echo "$PROG: $n is not running"; return 1; }; done
  [ -e "$d/env" ] || { echo "$PROG: starting"; return 1; }
  echo "$PROG: running, pids mon=$(<"$d/run/mon.pid") osd=$(<"$d/run/osd.pid") rgw=$(<"$d/run/rgw.pid"), $(sed -n 's/^RGW_ENDPOINT=//p' "$d/env")"
}

case ${1:-} in
  start)   [ $# -eq 3 ] || usage; cmd_start "$2" "$3";;
  stop)    [ $# -eq 2 ] || usage; cmd_stop "$2";;
  status)  [ $# -eq 2 ] || usage; cmd_status "$2";;
  gateway) [ $# -eq 2 ] || usage; cmd_gateway "$2";;
  env)     [ $# -eq 2 ] || usage; cat "$2/env";;
  admin)   [ $# -ge 3 ] || usage; use_root; d=$(readlink -f "$2"); shift 2; exec radosgw-admin -c "$d/ceph.conf" "$@";;
  run)     [ $# -ge 2 ] || usage; use_root; shift; "$@";;
  *)       usage;;
esac
