"""Several inputs and outputs go by name, whatever order the names have in a description."""

from __future__ import annotations

import pytest

from dlhub_shim.complaints import InputMismatch, LoadError, OutputMismatch
from dlhub_shim.named import Side, arranged, declared_names, named_output, parts_of

NUMBER = {"type": "float"}
ARRAY = {"type": "ndarray", "shape": [None]}


def by_name(*names):
    return {"type": "dict", "properties": dict.fromkeys(names, NUMBER)}


def in_order(*names):
    return {"type": "tuple", "element_types": [{**NUMBER, "name": name} for name in names]}


UNNAMED = {"type": "tuple", "element_types": [NUMBER, NUMBER]}


def taken(declared, wanted=None, own=None, ordered=True):
    return Side(declared, wanted, own, "servable.methods.run.input", ordered)


def given(declared, wanted=None, own=None, ordered=True):
    return Side(declared, wanted, own, "servable.methods.run.output", ordered)


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        (by_name("z", "x"), ["z", "x"]),
        (in_order("x", "z"), ["x", "z"]),
        (UNNAMED, None),
        ({"type": "tuple", "element_types": [{**NUMBER, "name": "x"}, NUMBER]}, None),
        (ARRAY, None),
        ({"type": "dict", "properties": {}}, None),
    ],
)
def test_names_of_parts(declared, names):
    assert declared_names(declared) == names


class TestInputs:
    """The trap: a model f(z, x), whose names in the alphabet's order are x, z."""

    def test_a_dict_is_put_into_the_models_order(self):
        arrange = arranged(taken(by_name("x", "z"), own=["z", "x"]))
        assert arrange({"x": 1, "z": 2}) == [2, 1]

    def test_a_tuple_is_put_into_the_models_order(self):
        assert arranged(taken(in_order("x", "z"), own=["z", "x"]))((1, 2)) == [2, 1]

    def test_the_description_may_tell_the_order(self):
        assert arranged(taken(by_name("x", "z"), wanted=["z", "x"]))({"x": 1, "z": 2}) == [2, 1]

    def test_the_models_own_names_count_more(self):
        arrange = arranged(taken(by_name("x", "z"), wanted=["x", "z"], own=["z", "x"]))
        assert arrange({"x": 1, "z": 2}) == [2, 1]

    def test_other_names_may_stand_for_those_of_the_model(self):
        arrange = arranged(taken(by_name("dose", "age"), wanted=["age", "dose"], own=["input_1", "input_2"]))
        assert arrange({"dose": 1, "age": 2}) == [2, 1]

    def test_one_alone_may_have_any_name(self):
        assert arranged(taken(by_name("image"), own=["input_1"]))({"image": 1}) == [1]
        assert arranged(taken(by_name("image")))({"image": 1}) == [1]

    def test_a_tuple_without_names_is_in_the_models_order(self):
        assert arranged(taken(UNNAMED, own=["z", "x"]))((1, 2)) == [1, 2]

    def test_any_dict_will_do_where_none_is_declared(self):
        assert arranged(taken({"type": "dict", "properties": {}}, own=["z", "x"]))({"x": 1, "z": 2}) == [2, 1]

    def test_anything_else_is_one_value(self):
        assert arranged(taken(ARRAY, own=["x"]))([1, 2]) == [[1, 2]]
        assert arranged(taken(ARRAY))([1, 2]) == [[1, 2]]

    def test_declarations_go_along(self):
        declared = {"type": "dict", "properties": {"x": NUMBER, "z": ARRAY}}
        assert parts_of(taken(declared, own=["z", "x"])) == [ARRAY, NUMBER]
        elements = [{**NUMBER, "name": "x"}, {**ARRAY, "name": "z"}]
        named = {"type": "tuple", "element_types": elements}
        assert parts_of(taken(named, own=["z", "x"])) == [elements[1], elements[0]]
        assert parts_of(taken(UNNAMED)) == [NUMBER, NUMBER]
        assert parts_of(taken(ARRAY)) == [ARRAY]

    def test_a_part_that_did_not_come_is_named(self):
        arrange = arranged(taken({"type": "dict", "properties": {}}, own=["z", "x"]))
        with pytest.raises(InputMismatch, match="the input has no 'z'; it has x"):
            arrange({"x": 1})
        with pytest.raises(InputMismatch, match="the input has no 'z'; it has a list"):
            arrange([1])


class TestInputComplaints:
    def complaint(self, side):
        with pytest.raises(LoadError) as caught:
            arranged(side)
        return str(caught.value)

    def test_names_that_are_not_the_models(self):
        text = self.complaint(taken(by_name("a", "b"), own=["z", "x"]))
        assert "servable.methods.run.input has the names a, b, but those of the model are z, x" in text
        assert "list yours in the model's order in servable.methods.run.method_details.inputs" in text

    def test_where_the_model_has_names_alone_no_order_helps(self):
        text = self.complaint(taken(by_name("a", "b"), wanted=["a", "b"], own=["z", "x"], ordered=False))
        assert text.endswith("Use these")

    def test_an_order_that_nobody_tells(self):
        text = self.complaint(taken(by_name("x", "z")))
        assert "the model does not tell in which order it takes them" in text
        assert "servable.methods.run.method_details.inputs" in text

    def test_an_order_of_other_names(self):
        text = self.complaint(taken(by_name("x", "z"), wanted=["x", "y"]))
        assert "method_details.inputs lists x, y, but servable.methods.run.input has the names x, z" in text

    def test_an_order_of_too_many(self):
        text = self.complaint(taken(by_name("a", "b"), wanted=["a", "b"], own=["x"]))
        assert "has 2 parts, but the model has 1: x" in text

    def test_one_value_for_a_model_that_takes_two(self):
        text = self.complaint(taken(ARRAY, own=["z", "x"]))
        assert "the model takes 2 inputs, z, x, but servable.methods.run.input has 1: declare a dict" in text


class TestOutputs:
    def test_a_list_gets_names_in_the_models_order(self):
        name = named_output(given(by_name("score", "label"), own=["label", "score"]))
        assert name(["cat", 0.5]) == {"score": 0.5, "label": "cat"}
        assert name(("cat", 0.5)) == {"score": 0.5, "label": "cat"}

    def test_the_description_may_tell_the_order(self):
        name = named_output(given(by_name("score", "label"), wanted=["label", "score"]))
        assert name(["cat", 0.5]) == {"score": 0.5, "label": "cat"}

    def test_a_dict_keeps_its_names(self):
        assert named_output(given(by_name("b", "a")))({"a": 1, "b": 2, "c": 3}) == {"b": 2, "a": 1}
        assert named_output(given({"type": "dict", "properties": {}}))({"a": 1}) == {"a": 1}

    def test_a_tuple_is_put_into_the_declared_order(self):
        declared = in_order("score", "label")
        assert named_output(given(declared, own=["label", "score"]))(["cat", 0.5]) == (0.5, "cat")
        assert named_output(given(declared))({"label": "cat", "score": 0.5}) == (0.5, "cat")
        assert named_output(given(UNNAMED))([1, 2]) == (1, 2)
        assert named_output(given(UNNAMED, own=["b", "a"]))({"a": 1, "b": 2}) == (1, 2)
        assert named_output(given(UNNAMED))(1) == (1,)

    def test_one_output_is_given_alone(self):
        name = named_output(given(ARRAY))
        assert (name(1), name([2]), name({"output_0": 3})) == (1, 2, 3)

    def test_one_alone_may_have_any_name(self):
        assert named_output(given(by_name("score"), own=["output_0"]))({"output_0": 3}) == {"score": 3}

    def test_some_of_many_may_be_declared(self):
        name = named_output(given(by_name("b"), own=["a", "b"]))
        assert name([1, 2]) == {"b": 2}

    def test_names_that_are_not_the_models(self):
        with pytest.raises(
            LoadError, match=r"run\.output has the names a, b, but those of the model are x, y"
        ):
            named_output(given(by_name("a", "b"), own=["x", "y"]))

    @pytest.mark.parametrize(
        ("side", "output", "text"),
        [
            (given(ARRAY), [1, 2], "gave 2 outputs, but its description declares one: declare a dict"),
            (
                given(by_name("a", "b")),
                [1, 2],
                "list their names in the model's order in servable.methods.run",
            ),
            (given(by_name("a", "b"), wanted=["a", "b"]), [1], "gave 1 outputs; a, b were expected"),
            (given(by_name("a", "b")), {"a": 1}, "gave no output 'b'; it gave a"),
        ],
    )
    def test_an_output_that_is_not_as_declared(self, side, output, text):
        name = named_output(side)
        with pytest.raises(OutputMismatch) as caught:
            name(output)
        assert text in str(caught.value)
