#!/usr/bin/env bash
# What goes over the wire against what is declared: a hub, a lamp and a lock in network namespaces of their
# own, everything captured, and Toolsaf's verdict on it. Then the lamp does what nobody declared.
# Criterion: T3.LA.1d (positive)
# Criterion: T3.LA.1d (negative)
# Needs root, target/release/demo, tcpdump, and a Python that has toolsaf: channels/run.sh PYTHON
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
demo=$here/../../../target/release/demo
definitions=$here/../../../device-sim/definitions
work=$(mktemp -d)
tag=hc$$
pids=()

finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  for name in hub lamp lock; do ip netns del "$tag-$name" 2>/dev/null || true; done
  ip link del "$tag" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

place() { # place NAME ADDRESS HARDWARE: a namespace on the bridge
  ip netns add "$tag-$1"
  inside "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || true # its announcements are nobody's channel
  ip link add "$tag$1" type veth peer name eth0 address "$3" netns "$tag-$1"
  ip link set "$tag$1" master "$tag" up
  ip -n "$tag-$1" addr add "$2/24" dev eth0
  ip -n "$tag-$1" link set eth0 up
  ip -n "$tag-$1" link set lo up
}
inside() { local name=$1; shift; ip netns exec "$tag-$name" "$@"; }
hub() { inside hub "$demo" hub-agent --settings "$work/hub.toml" "$@"; }
field() { "$python" -c 'import json,sys
d=json.load(sys.stdin)
for k in sys.argv[1].split("."): d=d[k]
print(d)' "$1"; }
until_true() { # until_true WHAT COMMAND...: tries for 30 s
  local what=$1; shift
  for _ in $(seq 150); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    read -r -t 0.2 <> <(:) || true
  done
  echo "  FAILED: $what"; exit 1
}

ip link add "$tag" type bridge
sysctl -qw "net.ipv6.conf.$tag.disable_ipv6=1" || true
ip link set "$tag" up
place hub 10.77.0.1 02:00:00:00:00:01
place lamp 10.77.0.11 02:00:00:00:00:11
place lock 10.77.0.12 02:00:00:00:00:12
"$demo" device-sim maker "$work/maker"
cat >"$work/hub.toml" <<TOML
data_dir = "$work/data"
names = "10.77.0.1"
definitions = "$work/maker/definitions"
[mqtt]
listen = "10.77.0.1:8883"
[est]
listen = "10.77.0.1:8884"
[enrolment]
retry_after = "1s"
[[makers]]
name = "Simulated Maker"
roots = "$work/maker/root.pem"
TOML
# Started without a function in between, so that the process that ends is the program and not a shell.
ip netns exec "$tag-hub" "$demo" hub-agent --settings "$work/hub.toml" run >/dev/null 2>"$work/hub.log" &
pids+=($!)
until_true 'the hub answers' hub status
ca=$(hub --json status | field status.hub.ca_fingerprint)

capture() { # capture FOLDER: everything on the bridge from now on
  mkdir -p "$1"
  cat >"$1/00meta.json" <<'JSON'
{ "file_type": "capture" }
JSON
  tcpdump -i "$tag" -s 0 -U --immediate-mode -w "$1/wire.pcap" 2>"$1.log" &
  capturing=$!
  pids+=("$capturing")
  until_true 'the capture begins' grep -q listening "$1.log"
}
captures() { tcpdump -nr "$1/wire.pcap" 2>/dev/null | grep -qF "$2"; }
captured() { kill -INT "$capturing"; wait "$capturing" 2>/dev/null || true; }
component() { # component KIND: one of it, in its namespace
  ip netns exec "$tag-$1" "$demo" device-sim run --host 10.77.0.1 --mqtt-port 8883 --est-port 8884 --ca "$ca" --count 1 \
    --seed 7 --definition "$definitions/$1.toml" --state "$work/$1" --maker "$work/maker" --interval 1 --stream 200 \
    >"$work/$1.log" 2>&1 &
  pids+=($!)
}
both_active() { hub component approve --all; [ "$(hub --json status | field status.components.active)" = 2 ]; }
verdict() { "$python" "$here/statement.py" "$definitions" "$1" 2>&1; }

capture "$work/declared"
component lamp
component lock
until_true 'lamp and lock are active' both_active
until_true 'they speak' grep -q '"acknowledged":[1-9][0-9]' "$work/lamp.log"
captured
verdict "$work/declared" >"$work/verdict.log" || { cat "$work/verdict.log"; echo '  FAILED: what was captured is not what is declared'; exit 1; }

capture "$work/undeclared"
inside lamp "$python" -c 'import socket
try: socket.create_connection(("10.77.0.12", 23), 2)
except OSError: pass'
until_true 'it is captured' captures "$work/undeclared" '10.77.0.12.23'
captured
if verdict "$work/undeclared" >"$work/verdict.log"; then
  cat "$work/verdict.log"; echo '  FAILED: an undeclared connection was not noticed'; exit 1
fi
grep -q 'Unexpected/Fail' "$work/verdict.log" || { cat "$work/verdict.log"; echo '  FAILED: for another reason'; exit 1; }
echo '  ok: Toolsaf passes what was captured, and fails an undeclared connection'
