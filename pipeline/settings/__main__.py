"""Prints the JSON schema of a configuration file, or with `listing` every setting as a configuration to browse."""

import json
import sys

from pipeline.settings import schema
from pipeline.settings.listing import listing

print(listing() if sys.argv[1:] == ["listing"] else json.dumps(schema(), indent=2, ensure_ascii=False))
