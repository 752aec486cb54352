"""The one-call form of describing: everything by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dlhub_client.describe.frameworks import (
    keras_model,
    lightgbm_model,
    onnx_model,
    tensorflow_model,
    xgboost_model,
)
from dlhub_client.describe.functions import static_method
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.describe.pickles import class_method
from dlhub_client.describe.pipelines import pipeline
from dlhub_client.describe.sklearn_models import sklearn_model
from dlhub_client.describe.torch_models import torch_model
from dlhub_client.errors import Malformed

_BUILDERS: dict[str, Callable[..., ModelDescription]] = {
    "static_method": static_method,
    "class_method": class_method,
    "sklearn": sklearn_model,
    "keras": keras_model,
    "tensorflow": tensorflow_model,
    "pytorch": torch_model,
    "torch": torch_model,
    "onnx": onnx_model,
    "xgboost": xgboost_model,
    "lightgbm": lightgbm_model,
    "pipeline": pipeline,
}


def easy_description(
    title: str,
    creators: str | Iterable[str],
    short_name: str,
    servable_type: str,
    serv_options: Mapping[str, Any],
    affiliations: Iterable[Any] | None = None,
    paper_doi: str | None = None,
) -> ModelDescription:
    """A description from the arguments of `easy_publish`. Raises Malformed naming what is wrong."""
    builder = _BUILDERS.get(servable_type)
    if builder is None:
        raise Malformed(f"{servable_type!r} is no type of servable; there are: {', '.join(_BUILDERS)}.")
    try:
        description = builder(**serv_options)
    except TypeError as error:
        raise Malformed(f"serv_options do not fit {servable_type}: {error}") from error
    description.set_title(title).set_name(short_name).set_creators(creators, affiliations)
    if paper_doi:
        description.add_related_resource(paper_doi, "DOI", "IsDescribedBy")
    return description
