"""Joint calls: whoever shares a call, each run gets what it would get alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlhub_shim.inputs import converter
from dlhub_shim.interrupt import Gate
from dlhub_shim.invoke import Invoker
from dlhub_shim.vectorised import Mismatch, Vectorised
from proto_msgs import codec, worker


class Silent:
    """Stands for the capture of standard output, which would take pytest's own."""

    def begin(self):
        """Nothing is captured."""

    def take(self):
        return ("", "")


def array(*shape, item_type="float"):
    return {"type": "ndarray", "shape": list(shape), "item_type": {"type": item_type}}


LIST = {"type": "list", "item_type": {"type": "python object"}}
TABLE = {"type": "dict", "properties": {"x": array(None, 2), "names": LIST}}
PAIR = {"type": "tuple", "element_types": [array(None), array(None)]}


def vectorised(function, declared, unpack=False):
    call = (lambda i, p: function(*i, **p)) if unpack else (lambda i, p: function(i, **p))
    return Vectorised(call, declared, converter(declared), unpack)


# --- models, each with strategies for its inputs ---


def scaled(x, by=1):
    if not len(x):
        raise ValueError("no rows")
    if (x == -1).any():
        raise ValueError(f"row {int(np.argmax((x == -1).any(axis=1)))} of {len(x)} holds -1")
    return x * by


def spoiled(x, by=1):
    """Changes what it was given, and then raises."""
    culprit = bool((x == -1).any())
    x += by
    if culprit:
        raise ValueError(f"changed to {x.sum()}")
    return x


def moments(table, by=1):
    x, names = table["x"], table["names"]
    if "bad" in names:
        raise KeyError(names.index("bad"))
    return {"sum": x[:, 0] + x[:, 1] * by, "upper": [str(n).upper() for n in names], "two": (x, names)}


def totals(x, by=1):
    """Breaks the promise: one entry, however many were given."""
    return [float(len(x)) * by]


def lengths(texts, by=1):
    if any(text == "bad" for text in texts):
        raise ValueError(f"{texts.index('bad')} is bad")
    return np.array([len(str(text)) for text in texts]) * by


def doubled(texts, by=1):
    for text in texts:
        if isinstance(text, dict):
            text["seen"] = text.get("seen", 0) + 1
    if any(isinstance(text, dict) and text["grade"] == "bad" for text in texts):
        raise ValueError("bad")
    return [[text, by] for text in texts]


def typed(numbers, by=1):
    """Lists of whole numbers become arrays of integers."""
    return np.array(numbers) * by


def norms(images, by=1):
    if (images == -1).any():
        raise FloatingPointError(str(images.shape))
    return {"first": images[:, 0, 0] * by, "images": images}


def added(x, y, by=1):
    if (x == -1).any():
        raise ValueError("minus one")
    return np.asarray(x) + np.asarray(y) * by


def nothing(values, by=1):
    return {}


NUMBERS = st.sampled_from([-1.0, 0.0, 0.1, 2.5, 1e300, float("nan")])
MORE = st.sampled_from([0.0, 0.1, 2.5, 1e300])
TEXTS = st.sampled_from(["", "a", "bad", "Fe2O3"])
ANYTHING = st.one_of(
    TEXTS,
    st.integers(-3, 3),
    st.none(),
    *2 * [st.builds(dict, grade=st.sampled_from(["bad", "good", "fair"]))],
)


def rows(columns):
    dtypes = st.sampled_from([np.float64, np.float32, np.int64])
    shapes = st.tuples(st.integers(0, 4), *[st.just(n) for n in columns])
    elements = st.sampled_from([*range(20), -1])
    return dtypes.flatmap(lambda dtype: arrays.arrays(dtype, shapes, elements=elements, fill=st.just(1)))


def tables():
    sized = st.integers(0, 3).flatmap(
        lambda n: st.tuples(
            arrays.arrays(np.float64, (n, 2), elements=MORE), st.lists(TEXTS, min_size=n, max_size=n + n // 3)
        )
    )
    return sized.map(lambda pair: {"x": pair[0], "names": pair[1]})


def pairs():
    sized = st.integers(0, 3).flatmap(lambda n: st.tuples(*2 * [st.lists(NUMBERS, min_size=n, max_size=n)]))
    return sized.map(list)


METHODS = {
    "scaled": (vectorised(scaled, array(None, 3)), rows([3])),
    "spoiled": (vectorised(spoiled, array(None, 2, 2)), rows([2, 2])),
    "moments": (vectorised(moments, TABLE), tables()),
    "totals": (vectorised(totals, LIST), st.lists(ANYTHING, max_size=4)),
    "lengths": (vectorised(lengths, LIST), st.lists(TEXTS, max_size=4)),
    "doubled": (vectorised(doubled, LIST), st.lists(ANYTHING, max_size=4)),
    "stacked lengths": (vectorised(lengths, {"type": "string"}), TEXTS),
    "stacked objects": (vectorised(doubled, {"type": "python object"}), ANYTHING),
    "stacked totals": (vectorised(totals, {"type": "python object"}), ANYTHING),
    "typed": (
        vectorised(typed, LIST),
        st.one_of(st.lists(st.integers(0, 3), max_size=3), st.lists(MORE, max_size=3)),
    ),
    "norms": (
        vectorised(norms, array(2, 2)),
        st.sampled_from([np.float64, np.int64]).flatmap(
            lambda dtype: arrays.arrays(dtype, (2, 2), elements=st.integers(-1, 3))
        ),
    ),
    "added": (vectorised(added, PAIR, unpack=True), pairs()),
    "stacked added": (
        vectorised(added, {"type": "tuple", "element_types": [array(2), array(2)]}, unpack=True),
        st.lists(st.lists(MORE, min_size=2, max_size=2), min_size=2, max_size=2),
    ),
    "nothing": (vectorised(nothing, {"type": "python object"}), ANYTHING),
}
PARAMETERS = st.sampled_from([{}, {}, {"by": 2}, {"by": 2.0}, {"of": 1}])
OUTPUTS = st.sampled_from([None, None, ["sum"], ["upper", "sum"], ["first"], ["none"]])
UNREADABLE = st.sampled_from([b"\xc1", codec.pack([1])])


def packed(inputs, parameters, outputs):
    return codec.pack(
        {"inputs": inputs, "parameters": parameters, **({} if outputs is None else {"outputs": outputs})}
    )


@st.composite
def batches_for(draw, method):
    """Payloads for a method, in the order in which they came, cut into batches anywhere."""
    run = st.builds(packed, METHODS[method][1], PARAMETERS, OUTPUTS)
    payloads = draw(st.lists(st.one_of(run, run, run, run, UNREADABLE), min_size=2, max_size=12))
    batches: list = [[]]
    for payload in payloads:
        if draw(st.integers(0, 3)) == 3:
            batches.append([])
        batches[-1].append(payload)
    return [batch for batch in batches if batch]


def results(method, payloads):
    """Whether each run went well, with its output or failure as bytes."""
    invoker = Invoker({method: METHODS[method][0]}, Silent(), Gate())
    runs = [(str(index), payload, None) for index, payload in enumerate(payloads)]
    done = worker.read(invoker.invoke(worker.batch("b", method, runs)))
    found = {run_id: (ok, body) for run_id, ok, body, *_ in done[2]}
    return [found[str(index)] for index in range(len(payloads))]


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_any_grouping_gives_each_run_the_result_that_it_has_alone(method, data):
    with np.errstate(all="ignore"):
        for batch in data.draw(batches_for(method)):
            alone = [results(method, [payload])[0] for payload in batch]
            assert results(method, batch) == alone


# --- how often a method is called ---


class Counting:
    """Counts the inputs of each call of a function."""

    def __init__(self, function):
        self.function = function
        self.sizes = []

    def __call__(self, inputs, parameters):
        self.sizes.append(len(inputs))
        return self.function(inputs, **parameters)


def sizes_of_calls(function, declared, *inputs):
    counting = Counting(function)
    method = Vectorised(counting, declared, converter(declared))
    invoker = Invoker({"run": method}, Silent(), Gate())
    runs = [(str(index), packed(value, {}, None), None) for index, value in enumerate(inputs)]
    done = worker.read(invoker.invoke(worker.batch("b", "run", runs)))
    assert len(done[2]) == len(inputs)
    return counting.sizes


def test_runs_of_one_kind_share_a_call():
    assert sizes_of_calls(scaled, array(None, 3), np.ones((2, 3)), np.ones((5, 3))) == [7]


def test_lists_from_json_share_a_call_with_one_another():
    assert sizes_of_calls(scaled, array(None, 3), [[1, 2, 3]], [[1.5, 2, 3], [4, 5, 6]]) == [3]


def test_arrays_of_other_types_do_not():
    single = np.ones((2, 3), np.float32)
    assert sizes_of_calls(scaled, array(None, 3), np.ones((2, 3)), single, single) == [2, 4]


def test_no_rows_are_a_call_of_their_own():
    assert sizes_of_calls(scaled, array(None, 3), np.ones((2, 3)), np.ones((0, 3)), np.ones((1, 3))) == [3, 0]


def test_a_culprit_is_found_by_halves():
    good, bad = np.ones((1, 3)), np.full((1, 3), -1.0)
    assert sizes_of_calls(scaled, array(None, 3), good, good, good, bad) == [4, 2, 2, 1, 1]


def test_an_output_of_another_length_is_asked_for_run_by_run():
    assert sizes_of_calls(totals, LIST, [1, 2], [3], [4]) == [4, 2, 1, 1]


def test_equal_shapes_are_stacked():
    assert sizes_of_calls(norms, array(2, 2), *3 * [np.ones((2, 2))]) == [3]


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([1, 2], "output has 2 entries for 1 inputs"),
        ({"a": [1], "b": {"c": 5}}, r"output\['b'\]\['c'\] is of type int"),
        (([1], np.zeros(())), r"output\[1\] is of type ndarray"),
        ("x", "output is of type str"),
    ],
)
def test_a_stack_of_one_needs_an_output_of_one_entry(output, said):
    method = Vectorised(lambda inputs, parameters: output, {"type": "string"}, None)
    with pytest.raises(Mismatch, match=said):
        method("x", {})
