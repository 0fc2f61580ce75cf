#!/usr/bin/env bash
# The reference implementation of TUF judges what cloud-stub makes: python-tuf's client refreshes and downloads, and
# refuses what it must. Usage: run.sh [CLOUD-STUB]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cloud=${1:-$here/../../../target/debug/cloud-stub}
[ -x "$cloud" ] || { echo "build it first: cargo build -p cloud-stub"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
"$work/venv/bin/python" "$here/check.py" "$(realpath "$cloud")" "$work"
