"""The table of errors and times, and the list of checks, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from examples.elastic_moduli.results import Scored, Times, in_order

_COLUMNS = ("CV MAE\nGPa", "MAE\nGPa", "fit\ns", "publish\ns", "run\ns", "model\nms")


def table(scored: Sequence[Scored], caption: str) -> Table:
    """A row per model: errors on the training rows (cross-validated) and the validation rows, and times."""
    result = Table(
        title="Mean absolute errors of predictions through the hub",
        caption=caption,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
        pad_edge=False,
    )
    result.add_column("\nModulus")
    result.add_column("\nModel", no_wrap=True)
    for heading in _COLUMNS:
        result.add_column(heading, justify="right")
    last = None
    for model in in_order(scored):
        if last not in (None, model.target):
            result.add_section()
        result.add_row(*_row(model), style="bold" if model.cv_mae is None else None)
        last = model.target
    return result


def _row(model: Scored) -> list[str]:
    title = f"{model.title} *" if model.in_ensemble else model.title
    cv_mae = "" if model.cv_mae is None else f"{model.cv_mae:.2f}"
    return [model.target, title, cv_mae, f"{model.mae:.2f}", *_times(model.times)]


def _times(times: Times | None) -> list[str]:
    if times is None:
        return [""] * 4
    model_ms = "" if times.model_s is None else f"{1000 * times.model_s:.0f}"
    fit_s = "" if times.fit_s is None else f"{times.fit_s:.1f}"
    return [fit_s, f"{times.publish_s:.1f}", f"{times.run_s:.2f}", model_ms]
