"""Prints the JSON schema of a configuration file."""

import json

from pipeline.settings import schema

print(json.dumps(schema(), indent=2, ensure_ascii=False))
