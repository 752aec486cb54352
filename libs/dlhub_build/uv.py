"""uv, isolated from the configuration of the machine and of the account it runs under.

Index, further packages and certificate authorities come from the settings alone. They go to uv in a
configuration file of the build's work folder: arguments and the environment would show an index's password
to other users, or to the build backends that uv starts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from uv import find_uv_bin

from dlhub_build.folders import Folders
from dlhub_build.processes import Command, Finished, run
from dlhub_build.report import BoundedReport
from dlhub_build.settings import BuildSettings

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where child processes find compilers and tools."""


def scrubbed_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a child process: nothing of ours is in it."""
    return {"PATH": SEARCH_PATH, "HOME": str(home), "TMPDIR": str(home), "LANG": "C.UTF-8", **more}


@dataclass(frozen=True)
class Uv:
    """Runs uv for one build."""

    settings: BuildSettings
    folders: Folders
    work: Path
    report: BoundedReport

    async def run(self, *arguments: str | Path, timeout_s: float, quiet_stdout: bool = False) -> Finished:
        """Run a uv command; its messages go to the report. Raises TimeoutError."""
        command = Command(
            [find_uv_bin(), "--config-file", str(self._configuration()), *map(str, arguments)],
            env=scrubbed_environment(self.work, **self._environment()),
            cwd=self.work,
            timeout_s=timeout_s,
            max_file_bytes=self.settings.max_work_bytes,
            watched=(self.work,),
            max_growth_bytes=self.settings.max_work_bytes,
            stdout_wanted=not quiet_stdout,
        )
        return await run(command, self.report.line)

    def _environment(self) -> Mapping[str, str]:
        settings = {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
        # Reproducible wheels from source distributions: zip cannot express times before 1980.
        settings["SOURCE_DATE_EPOCH"] = "315532800"
        if self.settings.ca:
            return {**settings, "SSL_CERT_FILE": str(self.settings.ca)}
        return {**settings, "UV_SYSTEM_CERTS": "1"}

    def _configuration(self) -> Path:
        path = self.work / "uv.toml"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text("\n".join(self._options()), encoding="utf-8")
        return path

    def _options(self) -> Sequence[str]:
        options: dict[str, object] = {"cache-dir": str(self.folders.uv_cache)}
        if self.settings.find_links:
            options["find-links"] = list(self.settings.find_links)
        index = index_url(self.settings)
        if index == "":
            options["no-index"] = True
        elif index:
            options["index-url"] = index
        return [f"{name} = {json.dumps(value)}" for name, value in options.items()]


def index_url(settings: BuildSettings) -> str | None:
    """The index, credentials included; empty for none; None for the public one."""
    return settings.index_url.get_secret_value() if settings.index_url is not None else None


def credentials(settings: BuildSettings) -> tuple[str, str] | None:
    """Host (with port) of the index and the `user:password` it wants, if any."""
    parts = urlsplit(index_url(settings) or "")
    user_info, _, host = parts.netloc.rpartition("@")
    return (host, user_info) if user_info else None
