"""Writes settings.md from the services' settings classes: `python docs/settings.py`; a test compares."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from dlhub_builder.settings import Settings as BuilderSettings
from dlhub_catalog.settings import Settings as CatalogSettings
from dlhub_gateway.settings import GatewaySettings
from dlhub_runtime.settings import PREFIX, ServiceSettings
from dlhub_task_manager.settings import Settings as TaskManagerSettings

PAGE = Path(__file__).with_name("settings.md")
HEAD = """\
# Settings

Every service reads its settings once, at start, from environment variables, and removes them from its
environment, so that no child process inherits a password. A value that is not valid ends the service with a
message that names the variable (exit status 78). `dlhub up` sets what the services need and passes on
whatever else of these is set when it is called.
"""
SERVICES: dict[str, type[ServiceSettings]] = {
    "Gateway": GatewaySettings,
    "Catalog": CatalogSettings,
    "Builder": BuilderSettings,
    "Task manager": TaskManagerSettings,
}
INTERNAL = ("gateway_child", "gateway_number", "gateway_siblings")


def page() -> str:
    """The whole page as Markdown."""
    common = ServiceSettings.model_fields
    parts = [HEAD, _section("All services", common)]
    for name, kind in SERVICES.items():
        own = {field: info for field, info in kind.model_fields.items() if field not in common}
        parts.append(_section(name, own))
    return "\n".join(parts)


def _section(title: str, fields: dict[str, FieldInfo]) -> str:
    rows = [f"## {title}\n", "| variable | default | meaning |", "| --- | --- | --- |"]
    rows += [_row(name, info) for name, info in fields.items() if name not in INTERNAL]
    return "\n".join(rows) + "\n"


def _row(name: str, info: FieldInfo) -> str:
    meaning = " ".join((info.description or "").split()).replace("|", "\\|")
    return f"| `{PREFIX}{name.upper()}` | {_default(info)} | {meaning} |"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "(must be set)"
    value = info.default
    value = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return "(unset)" if value in (None, "") else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())
