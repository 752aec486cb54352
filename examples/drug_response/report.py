"""The results as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from examples.drug_response.results import Scored


def table(scored: Sequence[Scored]) -> Table:
    """Errors against the rule, on cell lines that were not learned from."""
    found = Table(title="Responses of cell lines that were not learned from", caption_justify="left")
    found.add_column("told by")
    for title in ("RMSE", "mean absolute error", "R²", "ranking of cell lines"):
        found.add_column(title, justify="right")
    for one in scored:
        ranking = f"{one.ranking:.2f}" if one.ranking else ""  # what tells all the same ranks nothing
        found.add_row(one.title, f"{one.rmse:.3f}", f"{one.mae:.3f}", f"{one.r_squared:.2f}", ranking)
    found.caption = "all against the rule; ranking: Spearman's rho by mean response, mean over drugs"
    return found
