"""Descriptions as JSON, made by chance: every field that the schema names, in forms that are valid."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from proto_msgs.datacite_terms import CONTRIBUTORS, DATES, RELATED_IDENTIFIERS, RELATIONS, RESOURCE_TYPES

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).map(
    lambda text: f"w{text}w"  # not empty when spaces are taken off
)
symbols = st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True, alphabet="abcxyz_019")
lengths = st.none() | st.integers(0, 9) | symbols
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)
notes = {"name": words, "description": words, "units": words, "laterField": values}
numbers = st.integers(-1000, 1000)


def some(needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have all of the one and some of the other fields."""
    return st.fixed_dictionaries(needed, optional=optional)


def _typed(
    kind: str, needed: dict[str, Any] | None = None, **optional: Any
) -> st.SearchStrategy[dict[str, Any]]:
    return some({"type": st.just(kind), **(needed or {})}, **notes, **optional)


def _limits(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(_typed(kind, minimum=numbers), _typed(kind, maximum=numbers))


plain = st.one_of(
    *(_typed(kind) for kind in ("boolean", "complex", "datetime", "timedelta")),
    *(_limits(kind) for kind in ("integer", "number", "float")),
    _typed("string", choices=st.lists(words, min_size=1, max_size=3)),
    _typed("integer", choices=st.lists(numbers, min_size=1, max_size=3)),
    _typed("file", file_types=st.lists(st.just("image/png"), max_size=2)),
    _typed("python object", python_type=words),
    _typed(
        "ndarray",
        shape=st.lists(lengths, max_size=4),
        item_type=some({"type": st.sampled_from(["float", "number"])}),
        dtype=st.sampled_from(["float32", "float64", "<f2"]),
    ),
)
arguments = st.recursive(
    plain,
    lambda inner: st.one_of(
        _typed("list", {"item_type": inner}),
        _typed("tuple", {"element_types": st.lists(inner, max_size=3)}),
        _typed("dict", {"properties": st.dictionaries(words, inner, max_size=3)}),
    ),
    max_leaves=4,
)


@st.composite
def methods(draw: Any) -> dict[str, Any]:
    made: dict[str, Any] = draw(
        some(
            {"input": arguments, "output": arguments},
            title=words,
            description=words,
            deterministic=st.booleans(),
            vectorised=st.booleans(),
            example=some(
                {"inputs": values}, output=values, parameters=st.dictionaries(words, values, max_size=2)
            ),
            method_details=some(
                {}, module=words, inputs=st.lists(words, max_size=2), files_as=st.just("path")
            ),
        )
    )
    typed = draw(st.dictionaries(words, st.tuples(values, arguments), max_size=2))
    if typed:
        made["parameters"] = {name: default for name, (default, _) in typed.items()}
        made["parameter_types"] = {name: kind for name, (_, kind) in typed.items()}
    return made


performance = some(
    {"benchmark": words, "metric": words, "value": st.floats(-1e6, 1e6)},
    units=words,
    higher_is_better=st.booleans(),
)
facts = {
    "options": st.dictionaries(words, values, max_size=2),
    "model_type": words,
    "model_summary": words,
    "framework": some({"name": words}, version=words),
    "parameter_count": st.integers(0, 10**12),
    "performance": st.lists(performance, min_size=1, max_size=2),
    "resources": some(
        {}, cores=st.floats(0.5, 64), memory_mb=st.integers(1, 10**6), accelerators=st.integers(0, 8)
    ),
}
references = st.just("ada/model") | st.just("ada/model@3")
steps = some(
    {"servable": references | st.lists(references, min_size=1, max_size=2)}, parameters=st.just({"a": 1})
)
servables = some(
    {
        "type": st.sampled_from(["Python static method", "Keras Model", "ONNX Model"]),
        "methods": methods().map(lambda run: {"run": run}),
    },
    **facts,
) | some({"type": st.just("Pipeline"), "steps": st.lists(steps, min_size=1, max_size=2)}, **facts)

identifiers = st.just(
    {"nameIdentifier": "https://orcid.org/0000-0002-1825-0097", "nameIdentifierScheme": "ORCID"}
)
people = {
    "name": words,
    "givenName": words,
    "affiliation": st.lists(some({"name": words}), min_size=1, max_size=2),
    "nameIdentifiers": st.lists(identifiers, min_size=1, max_size=1),
}


def terms(vocabulary: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([*vocabulary.terms, *vocabulary.later])


provenance = some(
    {"titles": st.lists(some({"title": words}, lang=words), min_size=1, max_size=2)},
    creators=st.lists(some({"familyName": words}, **people), min_size=1, max_size=2),
    contributors=st.lists(
        some({"familyName": words, "contributorType": terms(CONTRIBUTORS)}, **people), min_size=1, max_size=2
    ),
    publisher=some({"name": words}),
    publicationYear=st.integers(1000, 9999).map(str),
    types=some({"resourceTypeGeneral": terms(RESOURCE_TYPES)}, resourceType=words),
    subjects=st.lists(some({"subject": words}), min_size=1, max_size=2),
    dates=st.lists(some({"date": words, "dateType": terms(DATES)}), min_size=1, max_size=2),
    relatedIdentifiers=st.lists(
        some(
            {
                "relatedIdentifier": st.just("10.1063/1.5019779"),
                "relatedIdentifierType": terms(RELATED_IDENTIFIERS),
                "relationType": terms(RELATIONS),
            },
            relationTypeInformation=words,
        ),
        min_size=1,
        max_size=2,
    ),
    rightsList=st.lists(some({}, rights=words, rightsIdentifier=words), min_size=1, max_size=2),
    somethingLater=values,
)
hubs = some(
    {"name": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)},
    visible_to=st.lists(words, max_size=2),
    runnable_by=st.lists(words, max_size=2),
    domains=st.lists(words, max_size=2),
    files=st.dictionaries(words, words | st.lists(words, max_size=2), max_size=2),
    dependencies=some({"python": st.dictionaries(words, st.none() | words, max_size=2)}),
    sources=st.dictionaries(words, words, min_size=1, max_size=2),
)
descriptions = some({"datacite": provenance, "dlhub": hubs, "servable": servables}, later=values)
