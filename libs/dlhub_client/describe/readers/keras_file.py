"""Keras' files: `.keras` archives, HDF5 files of whole models, and weights beside a configuration."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlhub_client.describe.readers import hdf5
from dlhub_client.describe.readers.bounded import (
    existing_file,
    json_member,
    json_object,
    opened_zip,
    start_of,
    stored_window,
)
from dlhub_client.describe.readers.facts import ModelFacts, count_of
from dlhub_client.describe.readers.keras_config import Architecture, ConfigError, read_architecture
from dlhub_client.describe.readers.problems import unreadable

KIND, HELPER = "Keras Model", "keras_model"
_WHAT = "a Keras model (.keras, HDF5, or weights with a configuration)"
_ARCH_BYTES = 64 * 2**20
_NO_ARCHITECTURE = (
    'The file holds weights alone: give arch="model.json", what model.to_json() gives, or save the whole '
    'model with model.save("model.keras").'
)
NO_INPUT = (
    "the configuration tells no shapes (a model made by subclassing, or one that was not built): give "
    "input_shape=[None, ...] and output_shape"
)


def read_keras(path: str | Path, arch: str | Path | None = None) -> ModelFacts:
    """What a file of Keras says. arch: the configuration, where the file holds weights alone.

    Raises DescribeError.
    """
    file = existing_file(path)
    start = start_of(file)
    if start[:2] == b"PK":
        return _read_archive(file)
    if start.startswith(hdf5.MAGIC):
        return _read_hdf5(file, existing_file(arch) if arch is not None else None)
    if file.suffix == ".json":
        raise unreadable(
            file, _WHAT, "a configuration without weights", 'Give the weights: keras_model("w.h5", arch=...).'
        )
    raise unreadable(file, _WHAT, "neither a zip archive nor HDF5")


def _architecture(document: Mapping[str, Any], path: Path) -> Architecture:
    try:
        return read_architecture(document)
    except (
        ConfigError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RecursionError,
    ) as error:
        raise unreadable(
            path, "the configuration of a Keras model", f"{type(error).__name__}: {error}"
        ) from error


def _facts(
    path: Path, form: str, found: Architecture, version: str | None, backend: str | None, count: int | None
) -> ModelFacts:
    is_keras_3 = version is None or not version.startswith(("1.", "2."))
    requirements = {"keras": version} if is_keras_3 else {}
    engine = backend if is_keras_3 and backend in ("torch", "jax") else "tensorflow-cpu"
    # tf.keras of TensorFlow 2.x has TensorFlow's own number
    pinned = None if is_keras_3 or version is None or version.startswith("1.") else _tf_version(version)
    return ModelFacts(
        path=path,
        kind=KIND,
        format=form,
        helper=HELPER,
        framework="keras",
        version=version,
        signatures=(found.signature,),
        model_type=found.kind,
        summary=found.summary if found.layers else None,
        parameter_count=count,
        requirements={**requirements, engine: pinned, "numpy": None},
        options={"backend": "tensorflow" if engine == "tensorflow-cpu" else engine},
        suspicious=("the Python code of a Lambda layer",) if found.has_code else (),
        missing=_missing(found),
    )


def _tf_version(version: str) -> str | None:
    """tf.keras 2.4 and newer carry the number of their TensorFlow."""
    parts = version.split(".")
    return (
        f"{parts[0]}.{parts[1]}.*" if len(parts) > 1 and parts[1].isdigit() and int(parts[1]) >= 5 else None
    )


def _missing(found: Architecture) -> tuple[str, ...]:
    notes = []
    if found.inputs is None or any(tensor.shape is None for tensor in found.inputs):
        notes.append(NO_INPUT)
    unknown = [tensor.name for tensor in found.outputs or () if tensor.shape is None]
    if unknown and not notes:
        notes.append(f"the shape of {', '.join(unknown)} does not follow from the layers: give output_shape")
    if found.custom:
        given = ", ".join(f'"{one.rpartition(".")[2]}": "{one}"' for one in found.custom)
        notes.append(f"it uses classes of its own: give custom_objects={{{given}}} and their files in files")
    return tuple(notes)


# --- .keras ---


def _read_archive(path: Path) -> ModelFacts:
    with opened_zip(path, _WHAT) as archive:
        names = archive.namelist()
        if "config.json" not in names:
            raise unreadable(path, "a .keras archive with config.json inside", f"{', '.join(names[:6])}")
        found = _architecture(json_member(archive, "config.json"), path)
        metadata = json_member(archive, "metadata.json") if "metadata.json" in names else {}
        count = _archived_count(archive, path)
    version = metadata.get("keras_version")
    return _facts(path, "keras", found, version if isinstance(version, str) else None, None, count)


def _archived_count(archive: zipfile.ZipFile, path: Path) -> int | None:
    """Numbers in the weights inside; None where these are packed or in several files."""
    name = "model.weights.h5"
    if name not in archive.namelist():
        return None
    with path.open("rb") as file:
        window = stored_window(archive, name, file)
        if window is None:
            return None
        with hdf5.opened(path, window) as root:
            return _count(root)


def _count(root: Any) -> int | None:
    """Of all weights but the optimiser's and the random generators'."""
    shapes = [one.shape for one in hdf5.datasets(root) if not _is_aside(one.name)]
    return count_of(shapes)


def _is_aside(name: str) -> bool:
    parts = name.split("/")
    return parts[0] in ("optimizer", "optimizer_weights") or "seed_generator" in parts


# --- HDF5 ---


def _read_hdf5(path: Path, arch: Path | None) -> ModelFacts:
    with hdf5.opened(path) as root:
        config = hdf5.text_attribute(root, "model_config")
        group = root.get("model_weights", root)
        version, backend = (
            hdf5.text_attribute(root, name) or hdf5.text_attribute(group, name)
            for name in ("keras_version", "backend")
        )
        count = _count(group)
        if config is None and not _holds_weights(root):
            there = ", ".join(list(root)[:6]) or "nothing in it"
            raise unreadable(path, _WHAT, f"an HDF5 file with {there}, and no configuration")
    if config is not None:
        found = _architecture(json_object(config, path, "model_config"), path)
        return _facts(path, "hdf5", found, version, backend, count)
    if arch is None:
        raise unreadable(path, _WHAT, "weights without a configuration", _NO_ARCHITECTURE)
    return _with_architecture(path, arch, version, backend, count)


def _holds_weights(root: Any) -> bool:
    """Whether a file without a configuration was written by save_weights, of Keras 2 or 3."""
    return "layer_names" in root.attrs or bool(
        {"layers", "_layer_checkpoint_dependencies", "vars"} & set(root)
    )


def _with_architecture(
    path: Path, arch: Path, version: str | None, backend: str | None, count: int | None
) -> ModelFacts:
    if arch.stat().st_size > _ARCH_BYTES:
        raise unreadable(arch, "the configuration of a Keras model", f"{arch.stat().st_size} bytes")
    document = json_object(arch.read_bytes(), arch, "the configuration of a Keras model")
    told = document.get("keras_version")
    found = _architecture(document, arch)
    return _facts(
        path, "weights", found, version or (told if isinstance(told, str) else None), backend, count
    )
