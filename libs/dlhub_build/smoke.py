"""The smoke test: the model loads in its environment, and its examples run."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlhub_build.folders import write_atomically
from dlhub_build.processes import Command, Finished, run
from dlhub_build.report import BoundedReport
from dlhub_build.uv import SEARCH_PATH, Uv, scrubbed_environment
from dlhub_build.venv import EnvironmentPaths
from dlhub_types import compile_argument
from proto_msgs import codec
from proto_msgs.description import Description, Example
from proto_msgs.environment import Environment
