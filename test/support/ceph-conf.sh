# shellcheck shell=bash disable=SC2153,SC2154
# The configuration of the test cluster; sourced by ceph-rgw.sh, whose variables it uses.

write_conf() {
  cat >"$DIR/ceph.conf" <<C
[global]
fsid = $FSID
mon_host = [v2:127.0.0.1:$MON_PORT]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
# no cephx: nothing but loopback can reach it. radosgw defaults to "secure" mode towards the mon, which
# auth none cannot do, so say crc explicitly (otherwise it retries forever: get_initial_auth_request -13).
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
ms_mon_service_mode = crc
ms_mon_cluster_mode = crc
ms_bind_msgr1 = false
log_file = $DIR/log/\$name.log
log_max_recent = 100
debug_ms = 0/0
debug_rocksdb = 1/1
run_dir = $DIR/run
pid_file =
admin_socket =
crash_dir = $DIR/log
${CEPH_ROOT:+plugin_dir = $CEPH_ROOT$LIBDIR/ceph}
${CEPH_ROOT:+erasure_code_dir = $CEPH_ROOT$LIBDIR/ceph/erasure-code}
# one copy, one placement group per pool, one host
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
[mon]
mon_data = $DIR/mon
# commit cluster-map changes at once instead of batching them for up to a second
paxos_propose_interval = 0.01
paxos_min_wait = 0.01
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_warn_on_pool_no_redundancy = false
[osd]
osd_data = $DIR/osd
${CEPH_ROOT:+osd_class_dir = $CEPH_ROOT$LIBDIR/rados-classes}
osd_objectstore = $STORE
memstore_device_bytes = $STORE_BYTES
bluestore_block_size = $STORE_BYTES
osd_memory_target = 939524096
osd_class_update_on_start = false
osd_scrub_begin_week_day = 0
osd_max_scrubs = 0
[client]
rgw_data = $DIR/rgw
rgw_data_sync_poll_interval = 1
rgw_meta_sync_poll_interval = 1
rgw_sync_lease_period = 10
rgw_rados_pool_pg_num_min = 1
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
rgw_crypt_require_ssl = false
rgw_relaxed_region_enforcement = true
rgw_dns_name = $DNS_NAME
rgw_enable_static_website = true
rgw_lc_debug_interval = $([ "$LC_DEBUG" -gt 0 ] && echo "$LC_DEBUG" || echo -1)
rgw_gc_obj_min_wait = 20
rgw_gc_processor_period = 20
rgw_gc_processor_max_time = 20
debug_rgw = ${RGW_LOG_LEVEL:-1}/5
# SSE-KMS with a key held in the configuration (RGW's "testing" backend): key id testkey-1
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo= testkey-2=aWIKTWFrZWZpbGUKbWFuCm91dApzcmMKVGVzdGluZwo=
${RGW_DEFAULT_SSE_KEY:+rgw_crypt_default_encryption_key = $RGW_DEFAULT_SSE_KEY}
C
}

# sync_policy FILE: give the zonegroup a sync policy that allows any bucket pair, without which RGW answers
# PutBucketReplication with 405. The configuration is then stored and returned; objects are only really
# copied between zones (RGW_ZONE2_PORT).
sync_policy() {
  [ "$REPLICATION" = 1 ] && [ -z "$ZONE2_PORT" ] || return 0
  local z; z=$(sed -n 's/.*"master_zone": "\([^"]*\)".*/\1/p' "$1"); [ -n "$z" ] || return 1
  sed -i "s/\"groups\": \[\]/\"groups\": [{\"id\":\"any\",\"data_flow\":{\"symmetrical\":[{\"id\":\"f\",\"zones\":[\"$z\"]}]},\"pipes\":[{\"id\":\"p\",\"source\":{\"bucket\":\"*\",\"zones\":[\"*\"]},\"dest\":{\"bucket\":\"*\",\"zones\":[\"*\"]},\"params\":{\"source\":{\"filter\":{\"tags\":[]}},\"dest\":{},\"priority\":0,\"mode\":\"system\",\"user\":\"\"}}],\"status\":\"allowed\"}]/" "$1"
}
