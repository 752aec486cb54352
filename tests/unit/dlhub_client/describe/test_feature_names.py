"""Names of columns: from a model that saw a table, to the check of the tables that are sent to it."""

from __future__ import annotations

import pickle
from pathlib import Path

import pandas
import pytest
from sklearn.linear_model import LinearRegression

from dlhub_client import describe
from dlhub_client.errors import InputMismatch
from dlhub_client.values.sending import converted
from proto_msgs.arguments import Argument

TABLE = pandas.DataFrame({"mass": [1.0, 2.0, 3.0], "charge": [1.0, 0.0, 1.0]})


@pytest.fixture
def declared(tmp_path: Path) -> Argument:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(LinearRegression().fit(TABLE, [1.0, 2.0, 3.0])))
    model = describe.sklearn_model(tmp_path / "m.pkl", creators="Lovelace, Ada")
    return Argument.model_validate(model.to_dict()["servable"]["methods"]["run"]["input"])


def test_a_model_that_saw_a_table_knows_its_columns(declared: Argument) -> None:
    assert declared.feature_names == ("mass", "charge")


def test_tables_are_held_against_them(declared: Argument) -> None:
    assert converted(TABLE, declared).tolist() == TABLE.to_numpy().tolist()
    with pytest.raises(InputMismatch, match="column 0 is 'charge', where 'mass' is declared"):
        converted(TABLE[["charge", "mass"]], declared)
