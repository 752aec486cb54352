"""A model in the loop of a search: `python -m examples.active_learning.demo`.

Starts a hub on this machine and looks for the stiffest 100 of 5,000 compounds, of which it may measure 300.
In each of five rounds an ensemble is trained on what is measured so far, published as the next version of one
servable, and asked through the hub's asynchronous client to rank all compounds; the most promising are
measured. Draws what was found against search at random as active_learning.png, and stops the hub. Exit status
0 means: the search is better than the random ones by far, every answer of the hub equals the model called
directly, and each round's version can still be asked.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from dlhub_client import AsyncDLHubClient
from examples.active_learning import loop, plot, report
from examples.active_learning.candidates import Candidates, draw
from examples.active_learning.loop import Searched
from examples.active_learning.results import Curves, curves, quality
from examples.active_learning.search import QUICK, Plan, search_at_random, search_directly
from examples.shared.checks import Check
from examples.shared.driver import Setting
from examples.shared.driver import main as driver
from examples.shared.progress import stage

PICTURE = "active_learning.png"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the example; returns the exit status."""
    return driver(example, __doc__ or "", arguments)


def example(setting: Setting) -> list[Check]:
    """The search, its table and its picture."""
    plan = QUICK if setting.quick else Plan()
    candidates = draw(plan.candidates)
    searched, checks = asyncio.run(_through_the_hub(setting, candidates, plan))
    steered = _steered(setting, searched, candidates, plan)
    orders = [search_at_random(plan, seed) for seed in range(plan.random_seeds)]
    random = curves(orders, candidates, plan)
    setting.console.rule("[bold]Results", align="left")
    setting.console.print(report.table(searched, steered, random, plan))
    picture = setting.output / PICTURE
    plot.draw(searched, steered, random, candidates, plan, picture)
    setting.console.print(f"Wrote {picture}", soft_wrap=True)
    # A few compounds and small forests say nothing about the search.
    return checks if setting.quick else checks + quality(steered, random, plan)


async def _through_the_hub(
    setting: Setting, candidates: Candidates, plan: Plan
) -> tuple[Searched, list[Check]]:
    address = setting.client.address
    async with AsyncDLHubClient(address.url, address.token) as hub:
        return await loop.conduct(hub, candidates, plan, setting.console)


def _steered(setting: Setting, searched: Searched, candidates: Candidates, plan: Plan) -> Curves:
    """The search that went through the hub, and from other starts without it: was it luck?"""
    orders = [searched.measured]
    with stage(setting.console, "From other starts, without the hub", len(plan.other_starts)) as bar:
        for seed in plan.other_starts:
            bar.doing(f"start {seed}")
            orders.append(search_directly(candidates, searched.features, plan, seed))
            bar.done()
    return curves(orders, candidates, plan)


if __name__ == "__main__":
    sys.exit(main())
