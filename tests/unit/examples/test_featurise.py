"""The featuriser: formulas are read right, statistics are those of the textbook, mistakes are explained."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.elastic_moduli.dataset import TARGETS, load
from examples.elastic_moduli.featuriser.featurise import (
    ELEMENTS_FILE,
    FormulaError,
    feature_names,
    featurise,
    fractions,
)
from proto_msgs.description import Description


def feature(formula: str, name: str) -> float:
    return float(featurise(formula)[0, feature_names().index(name)])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Fe", {"Fe": 1.0}),
        ("Fe2O3", {"Fe": 0.4, "O": 0.6}),
        ("Ca(OH)2", {"Ca": 0.2, "O": 0.4, "H": 0.4}),
        ("Ca3Al2(SiO4)3", {"Ca": 3 / 20, "Al": 2 / 20, "Si": 3 / 20, "O": 12 / 20}),
        ("K4[Fe(CN)6]", {"K": 4 / 17, "Fe": 1 / 17, "C": 6 / 17, "N": 6 / 17}),
        ("La0.7Sr0.3MnO3", {"La": 0.14, "Sr": 0.06, "Mn": 0.2, "O": 0.6}),
        ("CoO.5", {"Co": 2 / 3, "O": 1 / 3}),
        ("HOH", {"H": 2 / 3, "O": 1 / 3}),
        (" NaCl\n", {"Na": 0.5, "Cl": 0.5}),
    ],
)
def test_fractions_of_a_formula(formula: str, expected: dict[str, float]) -> None:
    assert fractions(formula) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("Xx2O", "'Xx2O', character 1: no properties for an element 'Xx'; 97 elements"),
        ("fe2O3", "character 1: expected an element"),
        ("Fe2-O3", "character 4: expected an element"),
        ("Fe٣", "character 3: expected an element"),
        ("", "1 to 1000 characters"),
        ("H" * 1001, "has 1001"),
        ("Ca(OH", "1 bracket"),
        ("Ca)2", "character 3: this bracket closes none"),
        ("(Ca]", "character 4: this bracket closes none"),
        ("Ca()", "nothing between"),
        ("FeO0", "an amount lies above 0"),
        ("Fe1234567", "at most at a million"),
        ("(" * 60 + "H" + ")999999" * 60, "more than a number can hold"),
    ],
)
def test_what_is_no_formula_is_explained(formula: str, says: str) -> None:
    with pytest.raises(FormulaError) as error:
        featurise([formula])
    assert says in str(error.value)


def test_a_row_that_is_no_text_is_named() -> None:
    with pytest.raises(FormulaError, match="row 1: expected a formula as text, got int"):
        featurise(["Fe", 3])  # type: ignore[list-item]  # what a caller may send all the same


def test_one_formula_or_several() -> None:
    width = len(feature_names())
    assert featurise("SiC").shape == (1, width)
    assert featurise(["SiC", "Fe"]).shape == (2, width)
    assert featurise([]).shape == (0, width)
    assert featurise(["SiC"]).dtype == np.float64


def test_statistics_of_two_elements() -> None:
    """Sodium chloride: electronegativities 0.93 and 3.16, one to one."""
    expected = {
        "hölder -2": (0.5 * 0.93**-2 + 0.5 * 3.16**-2) ** -0.5,
        "hölder -1": 2 / (1 / 0.93 + 1 / 3.16),
        "hölder 0": (0.93 * 3.16) ** 0.5,
        "hölder +1": (0.93 + 3.16) / 2,
        "hölder +2": ((0.93**2 + 3.16**2) / 2) ** 0.5,
        "hölder +3": ((0.93**3 + 3.16**3) / 2) ** (1 / 3),
        "deviation": (3.16 - 0.93) / 2,
        "minimum": 0.93,
        "maximum": 3.16,
        "range": 3.16 - 0.93,
    }
    came = {statistic: feature("NaCl", f"Electronegativity, {statistic}") for statistic in expected}
    assert came == pytest.approx(expected)


def test_statistics_are_weighted_by_fraction() -> None:
    assert feature("Fe2O3", "AtomicWeight, hölder +1") == pytest.approx(0.4 * 55.845 + 0.6 * 15.9994)


def test_a_zero_draws_low_means_to_zero() -> None:
    """Chlorine has a d shell without electrons, iron one with six."""
    low = [feature("FeCl3", f"NdValence, hölder {power}") for power in ("-2", "-1", "0")]
    assert low == [0.0, 0.0, 0.0]
    assert feature("FeCl3", "NdValence, hölder +1") == pytest.approx(0.25 * 6)


def test_stoichiometry() -> None:
    assert feature("Fe2O3", "number of elements") == 2
    assert feature("Fe2O3", "fractions, 2-norm") == pytest.approx((0.4**2 + 0.6**2) ** 0.5)


@given(
    st.lists(
        st.sampled_from(["SiC", "Fe2O3", "Ca3Al2(SiO4)3", "La0.7Sr0.3MnO3", "U"]), min_size=1, max_size=6
    )
)
def test_a_row_has_the_same_bits_in_any_company(formulas: list[str]) -> None:
    together = featurise(formulas)
    assert (together == np.concatenate([featurise(formula) for formula in formulas])).all()


@given(st.text(max_size=30))
def test_any_text_gives_features_or_a_formula_error(text: str) -> None:
    try:
        features = featurise(text)
    except FormulaError:
        return
    assert np.isfinite(features).all()


@pytest.mark.parametrize("target", TARGETS)
def test_every_compound_of_the_data_has_finite_features(target: str) -> None:
    for part in ("train", "val"):
        features = featurise(load(target, part).formulas)  # type: ignore[arg-type]  # literals, by parametrize
        assert np.isfinite(features).all()


def test_its_description_declares_what_it_returns() -> None:
    folder = ELEMENTS_FILE.parent
    description = Description.model_validate(json.loads((folder / "dlhub.json").read_text()))
    run = description.servable.methods["run"]
    assert run.output.shape == (None, len(feature_names()))
    assert run.example is not None
    assert featurise(run.example.inputs).shape == (3, len(feature_names()))


def test_its_description_lists_its_files() -> None:
    folder = ELEMENTS_FILE.parent
    description = Description.model_validate(json.loads((folder / "dlhub.json").read_text()))
    present = {path.name for path in folder.iterdir() if path.is_file()} - {"dlhub.json"}
    assert present == set(description.dlhub.files["other"])
