#!/usr/bin/env bash
# Programs of others against a real hub: openssl and curl enrol, mosquitto's clients speak MQTT 3.1.1
# and 5.0, a component in Python lives a whole life, CycloneDX's own validator reads the inventory,
# a small disk fills up, and Toolsaf judges what was captured on the wire, and
# python-tuf attacks the update verifier. Needs target/release/demo, which plays the hub, and target/release/tuf-client.
# Criterion: T1.DP.1 (negative)
# Criterion: T3.AI.2 (positive)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
demo=$PWD/target/release/demo
[ -x "$demo" ] || { echo "build it first: cargo build --release --bin demo"; exit 1; }
work=$(mktemp -d)
hub_pid=
checks=0
trap 'finish' EXIT

finish() {
  [ -n "$hub_pid" ] && kill "$hub_pid" 2>/dev/null && wait "$hub_pid" 2>/dev/null
  if [ -d "$work/small" ]; then umount "$work/small" 2>/dev/null || true; fi
  rm -rf "$work"
}

pass() { checks=$((checks + 1)); echo "  ok: $1"; }
fail() { echo "  FAILED: $1"; sed -n '$p' "$work/hub.log" || true; exit 1; }
hub() { "$demo" hub-agent --settings "$work/hub.toml" "$@"; }
field() { python3 -c 'import json,sys; d=json.load(sys.stdin)
for k in sys.argv[1].split("."): d=d[int(k)] if k.isdigit() else d[k]
print(d)' "$1"; }

start_hub() { # start_hub DATA [low water]
  cat >"$work/hub.toml" <<TOML
data_dir = "$1"
[mqtt]
listen = "127.0.0.1:0"
[est]
listen = "127.0.0.1:0"
[enrolment]
retry_after = "1s"
[store]
low_water = ${2:-1048576}
[[makers]]
name = "Foreign makers"
roots = "$work/maker/root.pem"
TOML
  "$demo" hub-agent run --settings "$work/hub.toml" 2>"$work/hub.log" &
  hub_pid=$!
  for _ in $(seq 100); do
    hub --json status >"$work/status.json" 2>/dev/null && break
    read -r -t 0.1 <> <(:) || true
  done
  mqtt=$(field listens.mqtt <"$work/status.json"); mqtt=${mqtt##*:}
  est=$(field listens.est <"$work/status.json"); est=${est##*:}
}

define() { # define FILE: its maker checks it and signs it, the owner adds it
  hub definition check "$here/$1" >/dev/null || fail "$1 is a good definition"
  "$demo" device-sim sign "$here/$1" --maker "$work/maker" -o "$work/signed.definition"
  hub definition add "$work/signed.definition" >/dev/null || fail "$1 comes into force"
}

stop_hub() { kill "$hub_pid"; wait "$hub_pid" || fail "the hub did not end in order"; hub_pid=; }

enrol() { # enrol NAME: key, request, approval, certificate with openssl and curl
  local dir=$work/$1 code
  mkdir -p "$dir"
  hub --json pair open >"$dir/pair.json"
  code=$(field codes.0 <"$dir/pair.json")
  curl -sSk "https://localhost:$est/.well-known/est/cacerts" | base64 -d >"$dir/ca.p7"
  openssl pkcs7 -inform DER -in "$dir/ca.p7" -print_certs -out "$dir/ca.pem"
  [ "$(openssl x509 -in "$dir/ca.pem" -outform DER | sha256sum | cut -d' ' -f1)" = "$(field ca_fingerprint <"$dir/pair.json")" ] ||
    fail "the CA's fingerprint"
  openssl ecparam -name prime256v1 -genkey -noout -out "$dir/key.pem"
  openssl req -new -key "$dir/key.pem" -subj "/O=Others/CN=$1/serialNumber=F-$1" -outform DER -out "$dir/req.der"
  base64 -w0 "$dir/req.der" >"$dir/req.b64"
  [ "$(est_post "$dir" simpleenroll -u "pair:$code")" = 202 ] || fail "not approved yet means 202"
  hub component approve --all >/dev/null
  [ "$(est_post "$dir" simpleenroll -u "pair:$code")" = 200 ] || fail "approved means 200"
  take_certificate "$dir"
}

est_post() { # est_post DIR PATH CURL-ARGUMENTS: the status; the body is in DIR/answer
  local dir=$1 path=$2
  shift 2
  curl -sS --cacert "$dir/ca.pem" "$@" -H 'Content-Type: application/pkcs10' --data-binary "@$dir/req.b64" \
    -o "$dir/answer" -w '%{http_code}' "https://localhost:$est/.well-known/est/$path"
}

take_certificate() {
  base64 -d "$1/answer" | openssl pkcs7 -inform DER -print_certs -out "$1/cert.pem"
  openssl verify -CAfile "$1/ca.pem" "$1/cert.pem" >/dev/null || fail "the certificate's chain"
  id=$(openssl x509 -in "$1/cert.pem" -noout -ext subjectAltName | sed -n 's/.*urn:uuid://p')
}

mq() { # mq pub|sub DIR ARGUMENTS
  local what=$1 dir=$2
  shift 2
  timeout 20 "mosquitto_$what" -h localhost -p "$mqtt" --cafile "$dir/ca.pem" --cert "$dir/cert.pem" \
    --key "$dir/key.pem" -i "$id" "$@"
}

announcement() { # announcement SERIAL SEQ: the bytes, by the contract's rules
  python3 - "$1" "$2" <<'PY'
import sys
def head(major, n):
    if n < 24: return bytes([major << 5 | n])
    if n < 256: return bytes([major << 5 | 24, n])
    return bytes([major << 5 | 25]) + n.to_bytes(2, "big")
def enc(v):
    if isinstance(v, int): return head(0, v)
    if isinstance(v, bytes): return head(2, len(v)) + v
    if isinstance(v, str): return head(3, len(v.encode())) + v.encode()
    if isinstance(v, list): return head(4, len(v)) + b"".join(map(enc, v))
    return head(5, len(v)) + b"".join(enc(k) + enc(v[k]) for k in sorted(v))
sys.stdout.buffer.write(enc({1: 1, 2: int(sys.argv[2]), 3: b"foreign!", 4: "gadget", 5: "Others", 6: "Thing",
    7: sys.argv[1], 8: 1, 9: "1.0", 10: bytes(32), 11: ["wifi"], 12: ["state"], 13: [], 14: 60, 15: 1}))
PY
}

"$demo" device-sim maker "$work/maker"
echo "== openssl and curl enrol, renew and are refused"
start_hub "$work/data"
enrol alpha; alpha=$id
enrol beta; beta=$id
pass "two components enrolled with openssl and curl"
openssl ecparam -name prime256v1 -genkey -noout -out "$work/alpha/key2.pem"
openssl req -new -key "$work/alpha/key2.pem" -subj /CN=alpha -outform DER | base64 -w0 >"$work/alpha/req.b64"
[ "$(est_post "$work/alpha" simplereenroll --cert "$work/alpha/cert.pem" --key "$work/alpha/key.pem")" = 200 ] || fail "renewal"
mv "$work/alpha/key2.pem" "$work/alpha/key.pem"
take_certificate "$work/alpha"
[ "$id" = "$alpha" ] || fail "the id stays over a renewal with a new key"
pass "renewal with a new key keeps the id"
openssl req -new -newkey rsa:2048 -nodes -keyout /dev/null -subj /CN=x -outform DER 2>/dev/null | base64 -w0 >"$work/beta/req.b64"
[ "$(est_post "$work/beta" simplereenroll --cert "$work/beta/cert.pem" --key "$work/beta/key.pem")" = 400 ] || fail "RSA is refused"
grep -q weak-key "$work/beta/answer" || fail "with a reason"
[ "$(est_post "$work/beta" simpleenroll)" = 401 ] || fail "no proof means 401"
[ "$(curl -sSk -o /dev/null -w '%{http_code}' "https://localhost:$est/.well-known/est/simpleenroll")" = 405 ] || fail "GET means 405"
pass "weak keys, missing proofs and wrong methods are refused"
for old in -tls1 -tls1_1 -tls1_2; do
  for port in "$mqtt" "$est"; do
    if echo | timeout 10 openssl s_client -connect "127.0.0.1:$port" "$old" -cipher 'ALL:@SECLEVEL=0' >/dev/null 2>&1; then
      fail "$old was accepted on $port"
    fi
  done
done
pass "nothing older than TLS 1.3 is spoken"

echo "== mosquitto's clients, 3.1.1 and 5"
for version in mqttv311 mqttv5; do
  case $version in mqttv311) name=alpha id=$alpha ;; mqttv5) name=beta id=$beta ;; esac
  dir=$work/$name
  announcement "F-$name" 1 | mq pub "$dir" -V $version -q 1 -t "p/$id/announce" -s || fail "$version announces"
  if [ $version = mqttv311 ]; then
    [ "$(hub --json component show "$id" | field hold)" = unknown-kind ] || fail "no definition, so it is held"
    define definitions/gadget.toml
    pass "a kind without a definition is held until the owner adds it"
  fi
  [ "$(hub --json component show "$id" | field trust)" = active ] || fail "$version becomes active"
  mq sub "$dir" -V $version -q 1 -t "p/$id/trust" -C 1 -F %x >"$dir/trust.hex" || fail "$version hears how it is regarded"
  grep -qi '^a[0-9]*5010102\(03\)' "$dir/trust.hex" || fail "the notice says active: $(cat "$dir/trust.hex")"
  printf '\xa1\x62on\xf5' | mq pub "$dir" -V $version -q 2 -t "p/$id/stream/state" -s || fail "$version sends a value with QoS 2"
  pass "$version announces, listens and sends"
done
printf '\xa1\x62on\x01' | mq pub "$dir" -V mqttv5 -q 1 -t "p/$id/stream/state" -s >"$work/out" 2>&1 || true
grep -qi 'payload format invalid' "$work/out" || fail "a value of the wrong type is refused: $(cat "$work/out")"
pass "a value outside its definition is refused, and a 5.0 client is told"
id=$beta
other=$alpha
mq pub "$work/beta" -V mqttv5 -q 1 -t "p/$other/announce" -m x >"$work/out" 2>&1 || true
grep -qi 'not authorized' "$work/out" || fail "a 5.0 client is told: $(cat "$work/out")"
mq sub "$work/beta" -V mqttv311 -t '#' -C 1 -W 3 >"$work/out" 2>&1 || true
grep -qi 'denied' "$work/out" || fail "a wildcard is refused: $(cat "$work/out")"
pass "foreign topics and wildcards are refused"
id=$alpha
mq sub "$work/alpha" -V mqttv5 -q 1 -t "p/$id/trust" -W 4 >/dev/null 2>&1 &
listener=$!
for _ in $(seq 100); do
  [ "$(hub --json status | field status.connected)" = 1 ] && break
  read -r -t 0.1 <> <(:) || true
done
hub inventory export --format nftables -o "$work/rules.nft"
grep -q 'ip daddr @host1_v4 udp dport 123 accept' "$work/rules.nft" || fail "the rules hold what the gadget's maker declared"
if nft -c -f "$work/rules.nft" 2>"$work/out"; then
  pass "nft takes the product's channels as rules"
elif grep -q 'Operation not permitted' "$work/out"; then
  echo "  SKIPPED: nft may not ask the kernel here (needs root)"
else
  fail "nft takes the rules: $(cat "$work/out")"
fi
wait "$listener" || true
hub component revoke "$beta" >/dev/null
if mq pub "$work/beta" -V mqttv5 -q 1 -t "p/$beta/heartbeat" -m x >/dev/null 2>&1; then fail "revoked, but let in"; fi
serial=$(openssl x509 -in "$work/beta/cert.pem" -noout -serial | cut -d= -f2)
curl -sSk "https://localhost:$est/hub.crl" | openssl crl -inform DER -CAfile "$work/alpha/ca.pem" -noout -text >"$work/crl" 2>&1
grep -qi "$serial" "$work/crl" && grep -q 'verify OK' "$work/crl" || fail "the revocation list names it"
pass "a revoked component stays out and stands in the revocation list"

echo "== a component in Python, and CycloneDX's validator"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
define definitions/thermometer.toml
hub --json pair open --approve >"$work/python.json"
timeout 120 "$work/venv/bin/python" "$here/component.py" "$(field links.0 <"$work/python.json")" || fail "the Python component"
python_id=$(hub --json component list | python3 -c 'import json,sys; print([c["id"] for c in json.load(sys.stdin) if c.get("maker")=="Python Works"][0])')
[ "$(hub --json component show "$python_id" | field trust)" = retired ] || fail "it left the product at the end of its life"
pass "a Python component enrolled, announced, renewed, was refused where it must be, and left"
"$work/venv/bin/python" "$here/stranger/vectors.py" >"$work/out" || fail "a stranger's codec and the vectors: $(cat "$work/out")"
pass "a stranger's codec agrees with every vector and the walk-through"
define stranger/lamp.toml
hub --json pair open --approve >"$work/stranger.json"
timeout 120 "$work/venv/bin/python" "$here/stranger/component.py" localhost "$est" "$mqtt" \
  "$(field ca_fingerprint <"$work/stranger.json")" "$(field codes.0 <"$work/stranger.json")" \
  --state "$work/stranger" --v5 --beats 2 >"$work/out" 2>&1 || fail "the stranger's component: $(cat "$work/out")"
[ "$(grep -c 'PUBACK .*Success' "$work/out")" -ge 4 ] || fail "all of its messages are taken: $(cat "$work/out")"
pass "a component by a stranger enrolled, became active, spoke and left"
hub inventory export --format cyclonedx -o "$work/bom.json"
hub inventory export --format json -o "$work/inventory.json"
"$work/venv/bin/python" "$here/validate.py" "$work/bom.json" "$work/inventory.json" hub-agent/core/schema/inventory.schema.json ||
  fail "the exports are not valid"
pass "the exports pass CycloneDX 1.6's strict validator and the inventory's own schema"
! grep -rqa -e 'Python Works' -e 'lumen' "$work/data/store" || fail "the store holds clear text"
pass "the store holds no clear text"
stop_hub

echo "== a small disk fills up"
mkdir -p "$work/small"
if mount -t tmpfs -o size=24m tmpfs "$work/small" 2>/dev/null; then
  start_hub "$work/small/data" 4194304
  define definitions/gadget.toml
  enrol gamma; gamma=$id
  announcement F-gamma 1 | mq pub "$work/gamma" -V mqttv5 -q 1 -t "p/$gamma/announce" -s || fail "announces"
  head -c 22m /dev/zero >"$work/small/filler" 2>/dev/null || true
  announcement F-gamma 2 | mq pub "$work/gamma" -V mqttv5 -q 1 -t "p/$gamma/announce" -s >"$work/out" 2>&1 || true
  hub --json status | field status.store >"$work/out"
  grep -q unavailable "$work/out" || fail "the hub says that nothing can be made durable"
  [ "$(hub --json component show "$gamma" | field trust)" = active ] || fail "reads go on"
  rm "$work/small/filler"
  for _ in $(seq 100); do
    [ "$(hub --json status | field status.store)" = ok ] && break
    read -r -t 0.1 <> <(:) || true
  done
  announcement F-gamma 3 | mq pub "$work/gamma" -V mqttv5 -q 1 -t "p/$gamma/announce" -s || fail "it recovers"
  kill -9 "$hub_pid"; wait "$hub_pid" 2>/dev/null || true
  start_hub "$work/small/data" 4194304
  [ "$(hub --json component show "$gamma" | field announcement)" = 3 ] || fail "what was acknowledged is there"
  pass "a full disk refuses new acknowledgements, keeps reading, and recovers without loss"
  stop_hub
else
  echo "  SKIPPED: a small disk cannot be mounted here (needs root)"
fi

echo "== what goes over the wire against what is declared"
if ip netns add "hub-probe-$$" 2>/dev/null; then
  ip netns del "hub-probe-$$"
  "$here/channels/run.sh" "$work/venv/bin/python" || fail "the product's channels"
  checks=$((checks + 1))
else
  echo "  SKIPPED: network namespaces cannot be made here (needs root)"
fi

echo "== repositories of python-tuf against the update verifier"
"$here/tuf/run.sh" || fail "the update verifier"
checks=$((checks + 1))

printf '\n%d passed, 0 failed\n' "$checks"
