"""`python -m loadtest SCENARIO`."""

import sys

from loadtest.bench import main

SCENARIOS = {"bench": main}

if len(sys.argv) != 2 or sys.argv[1] not in SCENARIOS:
    sys.exit(f"usage: python -m loadtest {'|'.join(SCENARIOS)}")
sys.exit(SCENARIOS[sys.argv[1]]())
