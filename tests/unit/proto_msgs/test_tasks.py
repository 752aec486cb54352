"""How a large input is cut, as tasks remember it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from proto_msgs.tasks import NewTask, Split, TaskRecord


@pytest.mark.parametrize(
    ("items", "per_piece", "pieces"), [(1, 1, 1), (10, 4, 3), (8, 4, 2), (3, 100, 1), (256, 1, 256)]
)
def test_the_pieces_hold_every_item_once_and_in_order(items: int, per_piece: int, pieces: int) -> None:
    split = Split(items=items, per_piece=per_piece)
    assert split.pieces == pieces
    assert [item for piece in range(pieces) for item in split.range_of(piece)] == list(range(items))
    assert all(split.range_of(piece) for piece in range(pieces))


def test_progress_in_items_rises_to_all_of_them() -> None:
    split = Split(items=10, per_piece=4)
    assert [split.items_in(pieces) for pieces in range(4)] == [0, 3, 6, 10]


@pytest.mark.parametrize("fields", [{"items": 0, "per_piece": 1}, {"items": 1, "per_piece": 0}])
def test_nothing_cannot_be_cut(fields: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Split(**fields)


@pytest.mark.parametrize("kind", [NewTask, TaskRecord])
def test_a_task_of_an_older_sender_was_not_cut(kind: type[NewTask] | type[TaskRecord]) -> None:
    assert kind.model_fields["split"].default is None
