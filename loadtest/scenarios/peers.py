"""The servers that a user would pick instead: the same no-op, machine and load, in alternation with ours.

Each peer is up together with our hub, and rounds go ours, theirs, ours, theirs; a ratio is taken within a
round. Theirs have no token, no access check and no record of who ran what; ours does all of that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtest.bench import Bench, Report
from loadtest.hub import BenchHub
from loadtest.models import NOOP
from loadtest.peers import PEERS, Peer, Unusable, install
from loadtest.peers.running import Running, Seen, running
from loadtest.rawhttp import Target
from loadtest.results import Check, Sheet, at_least, number, yardstick
from loadtest.stats import Estimate, estimate, ratios
from loadtest.wrk import drive

TITLE = "Peers: the same no-op on other servers, in alternation with ours"
IN_FLIGHT = 64
GOALS = {"litserve": 6.0, "mlserver": 8.0, "ray": 25.0}


@dataclass
class Pairs:
    """Rounds of ours and of one peer's, taken in turn."""

    ours: list[Seen] = field(default_factory=list)
    theirs: list[Seen] = field(default_factory=list)
    ours_one: list[Seen] = field(default_factory=list)
    theirs_one: list[Seen] = field(default_factory=list)


def measure(bench: Bench, report: Report) -> None:
    bench.steps.expect(2 * len(PEERS))
    hub = bench.hub
    name = hub.publish(NOOP)
    hub.scale(name, 1)
    rows: list[tuple[str, ...]] = []
    for peer in PEERS:
        try:
            bench.steps.doing(f"{peer.label}: installing, the first time")
            version = install(peer)
            bench.steps.doing(f"{peer.label} {version}")
            with running(peer, _amqp_url(hub)) as server:
                pairs = _alternate(bench, hub.target(name), server)
        except (Unusable, RuntimeError, OSError) as error:
            report.checks += _failed(peer, str(error))
            rows.append((peer.label, "", "", "", "", f"not measured: {error}"[:200]))
            continue
        report.checks.append(_judge(peer, pairs))
        rows.append(_row(peer, version, pairs))
    columns = (
        "server",
        "runs/s",
        "ours then",
        "ours is faster by",
        "median of one, ms (ours)",
        "configuration",
    )
    report.sheets.append(Sheet(title=f"{IN_FLIGHT} in flight, then one", columns=columns, rows=tuple(rows)))


def _amqp_url(hub: BenchHub) -> str:
    return hub.amqp_url() if hub.home else ""


def _alternate(bench: Bench, ours: Target, theirs: Running) -> Pairs:
    seconds, pairs = bench.effort.seconds, Pairs()
    for in_flight in (IN_FLIGHT, 1):
        _ours(ours, in_flight, bench.effort.warm_s)
        theirs.drive(in_flight, bench.effort.warm_s)
    for _ in range(bench.effort.rounds):
        pairs.ours.append(_ours(ours, IN_FLIGHT, seconds))
        pairs.theirs.append(theirs.drive(IN_FLIGHT, seconds))
        pairs.ours_one.append(_ours(ours, 1, seconds))
        pairs.theirs_one.append(theirs.drive(1, seconds))
    return pairs


def _ours(target: Target, in_flight: int, seconds: float) -> Seen:
    load = drive(target, in_flight=in_flight, seconds=seconds)
    return Seen(load.per_s, load.p50_ms)


def _gains(pairs: Pairs) -> tuple[float, ...]:
    return ratios([seen.per_s for seen in pairs.ours], [seen.per_s for seen in pairs.theirs])


def _judge(peer: Peer, pairs: Pairs) -> Check:
    what = f"no-op, {IN_FLIGHT} in flight, against {peer.label}"
    if goal := GOALS.get(peer.name):
        return at_least(what, _gains(pairs), goal, "times")
    return yardstick(what, _gains(pairs), "times")


def _failed(peer: Peer, why: str) -> list[Check]:
    """A goal that cannot be judged stays in the table."""
    what = f"no-op, {IN_FLIGHT} in flight, against {peer.label}"
    return [Check(what=what, measured=f"not measured: {why}"[:200], goal=_goal_text(peer))]


def _goal_text(peer: Peer) -> str:
    return f"at least {number(GOALS[peer.name])} times" if peer.name in GOALS else ""


def _row(peer: Peer, version: str, pairs: Pairs) -> tuple[str, ...]:
    return (
        f"{peer.label} {version}",
        _text(estimate(seen.per_s for seen in pairs.theirs)),
        _text(estimate(seen.per_s for seen in pairs.ours)),
        f"{_text(estimate(_gains(pairs)))} times",
        f"{_median(pairs.theirs_one)} ({_median(pairs.ours_one)})",
        peer.configuration,
    )


def _median(seen: list[Seen]) -> str:
    return number(estimate(one.p50_ms for one in seen).mean)


def _text(found: Estimate) -> str:
    return f"{number(found.mean)} ± {number(found.half_width)}"
