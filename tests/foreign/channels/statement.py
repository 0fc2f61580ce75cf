"""The security statement of a hub, a lamp and a lock: their channels as the definitions declare them, and
Toolsaf's verdict on a capture. Exit code 0 when everything passes.

Usage: statement.py DEFINITIONS CAPTURE
"""

import collections.abc
import io
import re
import sys
import tomllib
from contextlib import redirect_stdout
from pathlib import Path

import typing_extensions

if not hasattr(collections.abc, "Buffer"):
    # Toolsaf's reader of captures wants a name that Python has since 3.12.
    collections.abc.Buffer = typing_extensions.Buffer

from toolsaf.main import ARP, TLS, UDP, Builder

definitions, capture = Path(sys.argv[1]), sys.argv[2]
system = Builder.new("Product")
network = system.network("10.77.0.0/24")
hub = system.device("Hub").hw("02:00:00:00:00:01").ip("10.77.0.1").serve(ARP)
broker, enrolment = hub / TLS(port=8883), hub / TLS(port=8884)
for kind, last in (("lamp", 11), ("lock", 12)):
    definition = tomllib.loads((definitions / f"{kind}.toml").read_text())
    device = system.device(definition["title"])
    device.hw(f"02:00:00:00:00:{last}").ip(f"10.77.0.{last}").serve(ARP)
    device >> broker
    device >> enrolment
    for destination in definition.get("destination", []):
        transport = UDP if destination["transport"] == "udp" else TLS
        device >> system.backend(destination["host"]) / transport(port=destination["port"])

report = io.StringIO()
with redirect_stdout(report):
    system.run(["--read", capture, "--no-truncate"])
text = report.getvalue()
print(text)
sys.exit(0 if re.search(r"^\[Pass\] +Product$", text, re.MULTILINE) else 1)
