#!/usr/bin/env bash
# An independent implementation against the update verifier: python-tuf makes honest and dishonest repositories,
# a small web server serves them, and tuf-client must believe the former and refuse the latter.
# Criterion: T3.SU.1a (positive)
# Criterion: T3.SU.1a (negative)
# Needs target/release/tuf-client (or TUF_CLIENT), faketime, and the network once for python-tuf: tuf/run.sh [PART OF A CASE'S NAME]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
client=${TUF_CLIENT:-$here/../../../target/release/tuf-client}
[ -x "$client" ] || { echo "build it first: cargo build --release -p hub-agent --bin tuf-client"; exit 1; }
command -v faketime >/dev/null || { echo "faketime is needed: apt-get install faketime"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"
PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/python" "$here/cases.py" "$client" "$@"
