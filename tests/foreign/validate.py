"""Validates the two exports: CycloneDX 1.6 strictly, and the inventory against its own schema."""

import json
import sys

import jsonschema
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

bom, inventory, schema = sys.argv[1:]
problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(bom).read())
if problem is not None:
    sys.exit(f"CycloneDX: {problem}")
jsonschema.Draft202012Validator(json.load(open(schema))).validate(json.load(open(inventory)))
count = len(json.load(open(inventory))["components"])
print(f"  both exports are valid, {count} components")
