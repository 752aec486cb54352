"""The drug screen: its rule, what is made of it, who gets what at each stage, the whole with a stand-in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from dlhub_client.models import Published
from examples.drug_response import demo, network, plot, rule, sharing, study
from examples.drug_response.network import Network
from examples.drug_response.results import DRUG_MEAN, MEASURED, NETWORK, Scored, compared, quality
from examples.drug_response.screen import LOG_DOSES, NOISE, Screen, pairs, screens
from examples.drug_response.sharing import HIDDEN, RUNNABLE, VISIBLE, Visitor
from examples.shared.driver import Setting
from proto_msgs.errors import Forbidden, NotFound, Unavailable

NAME = "me/drug-response"
FEW = {"cell_line": np.zeros((1, 60)), "drug": np.zeros((1, 17))}


@pytest.fixture(scope="module")
def both() -> tuple[Screen, Screen]:
    return screens(learn=30, held_out=12, drugs=12)


# --- the rule ---


def cell(**genes: float) -> np.ndarray[Any, Any]:
    expression = np.zeros((1, rule.GENES))
    expression[0, : rule.GENES_PER_PATHWAY] = genes.get("first_pathway", 0.0)
    expression[0, rule.PUMP] = genes.get("pump", 0.0)
    expression[0, rule.DEATH_GENES] = genes.get("death", 0.0)
    return expression


def drug(**values: float) -> np.ndarray[Any, Any]:
    descriptors = np.zeros((1, rule.DESCRIPTORS))
    descriptors[0, 0] = values.get("affinity", 1.0)
    descriptors[0, rule.OILINESS] = values.get("oiliness", 0.0)
    descriptors[0, rule.RIGIDITY] = values.get("rigidity", 0.0)
    return descriptors


def test_half_of_what_can_die_is_dead_at_the_ic50() -> None:
    at = rule.log_ic50(cell(), drug())[0]
    assert at == pytest.approx([1.5 - 2.2 * 0.5])
    floor = rule.floor(cell())[0]
    assert rule.response(cell(), drug(), at)[0, 0, 0] == pytest.approx((1 + floor) / 2)


def test_a_dose_kills_down_to_the_floor() -> None:
    alive = rule.response(cell(death=-1), drug(), np.array([-9.0, 0.0, 9.0]))[0, 0]
    assert alive[0] == pytest.approx(1.0, abs=1e-6)
    assert alive[2] == pytest.approx(0.05 + 0.4 / (1 + np.exp(-2)), abs=1e-6)
    assert np.all(np.diff(alive) < 0)


def test_who_depends_on_what_is_hit_dies_of_less() -> None:
    assert rule.log_ic50(cell(first_pathway=1), drug()) < rule.log_ic50(cell(), drug())
    assert rule.log_ic50(cell(first_pathway=1), drug(affinity=0)) == rule.log_ic50(cell(), drug(affinity=0))


def test_a_pump_helps_against_oily_drugs_only() -> None:
    plain = rule.log_ic50(cell(), drug())
    assert rule.log_ic50(cell(pump=2), drug(oiliness=1)) == pytest.approx(plain + 1.0)
    assert rule.log_ic50(cell(pump=2), drug()) == plain
    assert rule.log_ic50(cell(pump=-2), drug(oiliness=1)) == plain


def test_genes_and_descriptors_without_a_name_tell_nothing() -> None:
    expression, descriptors = cell(), drug()
    expression[0, rule.DEATH_GENES.stop :] = 5.0
    descriptors[0, rule.RIGIDITY + 1 :] = 5.0
    same = rule.response(expression, descriptors, LOG_DOSES)
    np.testing.assert_array_equal(same, rule.response(cell(), drug(), LOG_DOSES))


# --- the screen ---


def test_a_screen_is_the_rule_and_noise(both: tuple[Screen, Screen]) -> None:
    learn, held_out = both
    assert learn.measured.shape == (30, 12, len(LOG_DOSES))
    off = learn.measured - learn.true
    assert abs(off.mean()) < 0.01
    assert off.std() == pytest.approx(NOISE, rel=0.1)
    np.testing.assert_array_equal(learn.descriptors, held_out.descriptors)
    assert not np.isin(held_out.expression, learn.expression).any()


def test_genes_are_scaled_and_those_of_a_pathway_go_together() -> None:
    learn, _ = screens(learn=3000, held_out=1, drugs=2)
    np.testing.assert_allclose(learn.expression.std(axis=0), 1.0, atol=0.06)
    together = np.corrcoef(learn.expression.T)
    assert together[0, 1] == pytest.approx(0.7, abs=0.05)
    assert abs(together[0, rule.GENES_PER_PATHWAY]) < 0.1


def test_rows_stand_in_the_order_of_the_responses(both: tuple[Screen, Screen]) -> None:
    screen = both[1]
    rows = screen.inputs()
    lines, drugs, doses = screen.measured.shape
    assert {name: value.shape for name, value in rows.items()} == {
        "cell_line": (lines * drugs * doses, rule.GENES),
        "drug": (lines * drugs * doses, rule.DESCRIPTORS + 1),
    }
    row = (3 * drugs + 5) * doses + 2
    np.testing.assert_allclose(rows["cell_line"][row], screen.expression[3], rtol=1e-6)
    np.testing.assert_allclose(rows["drug"][row], [*screen.descriptors[5], LOG_DOSES[2]], rtol=1e-6)


# --- what is made of it ---


def test_telling_the_truth_is_good_and_the_mean_is_not(both: tuple[Screen, Screen]) -> None:
    learn, held_out = both
    scored = {one.title: one for one in compared(learn, held_out, held_out.true)}
    assert (scored[NETWORK].rmse, scored[NETWORK].r_squared, scored[NETWORK].ranking) == (0.0, 1.0, 1.0)
    assert scored[MEASURED].rmse == pytest.approx(NOISE, rel=0.1)
    assert scored[DRUG_MEAN].rmse > 2 * NOISE
    assert scored[DRUG_MEAN].ranking == 0.0


@pytest.mark.parametrize(
    ("network_off", "mean_off", "good"), [(0.05, 0.2, True), (0.05, 0.08, False), (0.07, 0.2, False)]
)
def test_quality_needs_a_small_error_that_the_mean_has_not(
    network_off: float, mean_off: float, good: bool
) -> None:
    true = np.zeros((2, 2, 8))
    scored = [Scored(NETWORK, true, true + network_off), Scored(DRUG_MEAN, true, true + mean_off)]
    (check,) = quality(scored)
    assert check.passed is good


def test_curves_are_of_different_drugs_and_unlike_cell_lines(both: tuple[Screen, Screen]) -> None:
    screen = both[1]
    drugs = study.telling_drugs(screen, 4)
    assert len({int(np.argmax(screen.descriptors[drug, rule.AFFINITIES])) for drug in drugs}) == 4
    alive = screen.true[study.spread_lines(screen, drugs[0]), drugs[0]].mean(axis=1)
    assert alive[0] < alive[1] < alive[2]


# --- sharing ---


class FakeHub:
    """One servable with its access lists, as its owner and as another user see it."""

    def __init__(self, model: Any = None) -> None:
        self.visible: list[str] = []
        self.runnable: list[str] | None = None
        self.model = model
        self.late = 0  #: so many runs still succeed after access was taken away
        self.published: Any = None

    def __call__(self, who: str | None = None) -> FakeClient:
        return FakeClient(self, who)


class FakeClient:
    """The hub for one person; None: the owner."""

    def __init__(self, hub: FakeHub, who: str | None) -> None:
        self.hub, self.who = hub, who

    def _sees(self) -> bool:
        return self.who is None or self.who in self.hub.visible

    def describe_servable(self, name: str) -> dict[str, Any]:
        if not self._sees():
            raise NotFound("there is no servable, or you may not see it")
        return {"name": name}

    def run(self, name: str, inputs: Any, *, timeout_s: float | None) -> Any:
        if not self._sees() and self.hub.late:
            self.hub.late -= 1
            return None
        self.describe_servable(name)
        allowed = self.hub.visible if self.hub.runnable is None else self.hub.runnable
        if self.who is not None and self.who not in allowed:
            raise Forbidden("you may see it, but not run it")
        return self.hub.model(inputs) if self.hub.model else None

    def search(self, query: str | None) -> list[dict[str, Any]]:
        return [{"name": NAME}] if self._sees() else []

    def set_access(self, name: str, visible_to: Any = None, runnable_by: Any = None) -> dict[str, Any]:
        self.hub.visible = self.hub.visible if visible_to is None else list(visible_to)
        self.hub.runnable = self.hub.runnable if runnable_by is None else list(runnable_by)
        return {}

    def whoami(self) -> dict[str, Any]:
        return {"identity": self.who}

    def publish_servable(self, model: Any, *, on_progress: Any) -> Published:
        self.hub.published = model.to_dict()
        return Published(name=NAME, version=1, version_id="v", build_id="b", url="", created=True)


def shared(hub: FakeHub) -> tuple[list[bool], list[str]]:
    told: list[str] = []
    visitor = Visitor(hub("bob@local"), "bob@local", NAME, FEW)
    checks = sharing.conduct(hub(), visitor, told.append)
    return [check.passed for check in checks], told


def test_each_stage_gives_what_it_should() -> None:
    passed, told = shared(FakeHub())
    assert passed == [True] * 5
    assert told[1] == "may be seen: another user gets ok for its description, 403 for a run, 1 by search"


def test_a_hub_that_shows_too_much_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeClient, "search", lambda self, query: [{"name": NAME}])
    passed, _ = shared(FakeHub())
    assert passed == [False, True, True, False, True]


def test_a_hub_that_never_takes_back_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_PATIENCE_S", 0.05)
    hub = FakeHub()
    hub.late = 10**9
    passed, _ = shared(hub)
    assert passed == [False, True, True, False, False]


def test_another_failure_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any, name: str) -> Any:
        raise Unavailable("out of order", retry_after_s=1)

    monkeypatch.setattr(FakeClient, "describe_servable", broken)
    seen = Visitor(FakeHub()("bob@local"), "bob@local", NAME, FEW).looks()
    assert seen.describe == seen.run == "Unavailable: out of order"


def test_the_stages_differ() -> None:
    assert len({HIDDEN, VISIBLE, RUNNABLE}) == 3


# --- the whole, with a stand-in for the network ---


def by_the_rule(inputs: Any) -> np.ndarray[Any, Any]:
    """What a perfect network would give."""
    assert inputs["cell_line"].dtype == np.float32
    true = [
        rule.response(line[np.newaxis], drug[np.newaxis, :-1], drug[-1:])[0, 0]
        for line, drug in zip(inputs["cell_line"].astype("f8"), inputs["drug"].astype("f8"), strict=True)
    ]
    return np.array(true, "f4")


@pytest.fixture
def two_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Keras model of two inputs in place of the trained one."""

    def trained(learn: Screen, held_out: Screen, epochs: int, folder: Path) -> Network:
        return Network(folder / "network.keras", by_the_rule(held_out.inputs()), 0.0)

    monkeypatch.setattr(network, "trained", trained)
    monkeypatch.setattr(network, "description", lambda file: _Description())


class _Description:
    name = "drug-response"

    def to_dict(self) -> dict[str, Any]:
        return {}


def test_the_example_from_start_to_picture(two_inputs: None, tmp_path: Path) -> None:
    hub = FakeHub(by_the_rule)
    console = Console(file=io.StringIO(), width=120)
    work = study.quick(hub(), console, hub("bob@local"))  # type: ignore[arg-type] # a stand-in
    outcome, checks = study.conduct(work)
    assert [check.passed for check in checks] == [True] * 6
    assert next(one.rmse for one in outcome.scored if one.title == NETWORK) < 1e-6
    plot.draw(outcome, tmp_path / "out.png")
    assert (tmp_path / "out.png").stat().st_size > 50_000


def test_without_a_second_user_sharing_is_left_out(two_inputs: None, tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    setting = Setting(FakeHub(by_the_rule)(), console, tmp_path, quick=True)  # type: ignore[arg-type] # a stand-in
    (check,) = demo.example(setting)
    assert check.text == "network: hub and direct call within 0e+00"
    assert "sharing is left out" in console.file.getvalue()  # type: ignore[attr-defined]


def test_another_answer_of_the_hub_fails(two_inputs: None, tmp_path: Path) -> None:
    hub = FakeHub(lambda inputs: by_the_rule(inputs) + np.float32(1e-3))
    work = study.quick(hub(), Console(file=io.StringIO()), None)  # type: ignore[arg-type] # a stand-in
    _, (check,) = study.conduct(work)
    assert not check.passed


def test_pairs_are_told_at_any_doses(both: tuple[Screen, Screen]) -> None:
    screen = both[1]
    rows = pairs(screen.expression[:1], screen.descriptors[:1], np.array([0.5]))
    assert rows["drug"][0, -1] == 0.5
