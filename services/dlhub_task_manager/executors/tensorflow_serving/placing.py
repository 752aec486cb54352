"""Models where a TensorFlow Serving server finds them: a folder each, and an entry in its configuration.

The folder comes first and goes last: a server whose configuration names a folder that is not there waits for
it, and takes no other change meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlhub_build.folders import folder_locked
from dlhub_task_manager.executors.tensorflow_serving import model_config
from proto_msgs.errors import Unavailable

_STAGING = re.compile(r"\.(.+)-[0-9a-f]{8}")
_READABLE = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a server looks for models."""

    models: Path
    """Folder that gets a folder per model."""
    models_as: str
    """The same folder as the server sees it."""
    config: Path
    """The server's model configuration file."""

    async def put(self, name: str, number: int, saved_model: Path) -> None:
        """Have the server load a model. Raises Unavailable."""
        try:
            await asyncio.to_thread(_copy, saved_model, self.models / name, number)
        except OSError as error:
            raise Unavailable(f"the model cannot be put into {self.models}: {error}") from error
        base_path = f"{self.models_as.rstrip('/')}/{name}"
        await self._change(lambda text: model_config.with_model(text, name, base_path))

    async def withdraw(self, name: str) -> None:
        """Have the server unload a model. Raises Unavailable."""
        await self._change(lambda text: model_config.without_models(text, lambda other: other == name))

    async def remove(self, name: str) -> None:
        """Remove the folder of a model that was withdrawn."""
        await asyncio.to_thread(shutil.rmtree, self.models / name, ignore_errors=True)

    async def sweep(self, unwanted: Callable[[str], bool]) -> list[str]:
        """Withdraw and remove models of such names; which they were. Raises Unavailable."""
        folders = {path: _model_of(path) for path in await asyncio.to_thread(self._folders)}
        listed = await asyncio.to_thread(self._listed)
        if any(map(unwanted, listed)):
            await self._change(lambda text: model_config.without_models(text, unwanted))
        left = [path for path, name in folders.items() if unwanted(name)]
        for path in left:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
        return sorted({*filter(unwanted, listed), *(folders[path] for path in left)})

    def _folders(self) -> list[Path]:
        return list(self.models.iterdir()) if self.models.is_dir() else []

    def _listed(self) -> list[str]:
        try:
            return model_config.names_in(self._text())
        except model_config.NotUnderstood as error:
            raise self._unclear(error) from error

    def _text(self) -> str:
        try:
            return self.config.read_text()
        except FileNotFoundError:
            return ""

    async def _change(self, change: Callable[[str], str]) -> None:
        """Rewrite the configuration; those who do it at the same time take turns."""
        try:
            async with folder_locked(self.models):
                await asyncio.to_thread(self._rewrite, change)
        except model_config.NotUnderstood as error:
            raise self._unclear(error) from error
        except OSError as error:
            raise Unavailable(f"{self.config} cannot be written: {error}") from error

    def _rewrite(self, change: Callable[[str], str]) -> None:
        before = self._text()
        after = change(before)
        if after == before:
            return
        staging = _staging(self.config)
        try:
            staging.write_text(after)
            staging.chmod(stat.S_IMODE(self.config.stat().st_mode) if self.config.exists() else 0o644)
            staging.replace(self.config)
        finally:
            staging.unlink(missing_ok=True)

    def _unclear(self, error: model_config.NotUnderstood) -> Unavailable:
        return Unavailable(f"{self.config} is no model configuration of TensorFlow Serving: {error}")


def _staging(path: Path) -> Path:
    """Where something is made that then takes its place at once."""
    return path.with_name(f".{path.name}-{secrets.token_hex(4)}")


def _model_of(path: Path) -> str:
    """The name of the model whose folder this is, or was about to be."""
    found = _STAGING.fullmatch(path.name)
    return found.group(1) if found else path.name


def _copy(saved_model: Path, folder: Path, number: int) -> None:
    """The folder of a model with its one version; it appears whole."""
    if folder.is_dir():
        return
    staging = _staging(folder)
    try:
        staging.mkdir()
        shutil.copytree(saved_model, staging / str(number), copy_function=_copy_file)
        for path in [staging, *staging.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)  # the server may be another user's
        staging.replace(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_file(source: str, target: str) -> None:
    """A hard link where that does, since published files never change; else a copy."""
    path = Path(source).resolve()
    if path.stat().st_mode & _READABLE == _READABLE:
        try:
            os.link(path, target)
        except OSError:  # another file system, for one
            shutil.copyfile(path, target)
    else:
        shutil.copyfile(path, target)
        Path(target).chmod(0o644)
