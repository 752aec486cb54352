"""Identifiers in all their spellings come out as one; a wrong digit is noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_msgs import persistent_ids

ORCID = "https://orcid.org/0000-0002-1694-233X"
ROR = "https://ror.org/05gvnxz63"


@pytest.mark.parametrize(
    "text",
    [
        ORCID,
        "http://www.orcid.org/0000-0002-1694-233X/",
        "orcid.org/0000-0002-1694-233x",
        "0000-0002-1694-233X",
        " 000000021694233X ",
    ],
)
def test_an_orcid_has_one_form(text):
    assert persistent_ids.orcid(text) == ORCID


@pytest.mark.parametrize("text", [ROR, "https://ror.org/05GVNXZ63", "ror.org/05gvnxz63/", "05gvnxz63"])
def test_a_ror_identifier_has_one_form(text):
    assert persistent_ids.ror(text) == ROR


@pytest.mark.parametrize("text", ["024mw5h28", "03yrm5c26", "02mhbdp94", "04wxnsj81", "0190ak572"])
def test_registered_organisations_pass(text):
    assert persistent_ids.ror(text).endswith(text)


@pytest.mark.parametrize("text", ["", "0000-0002-1694-23", "https://example.org/0000-0002-1694-233X", "ada"])
def test_what_is_no_orcid_is_refused(text):
    with pytest.raises(ValueError, match="is no ORCID: 16 digits were expected"):
        persistent_ids.orcid(text)


@pytest.mark.parametrize("text", ["", "15gvnxz63", "05gvnxi63", "https://ror.org/", "grid.187073.a"])
def test_what_is_no_ror_identifier_is_refused(text):
    with pytest.raises(ValueError, match="is no ROR identifier: one such as"):
        persistent_ids.ror(text)


@given(st.integers(0, 14), st.integers(1, 9))
def test_a_wrong_digit_of_an_orcid_is_noticed(place, more):
    digits = list("0000000218250097")
    digits[place] = str((int(digits[place]) + more) % 10)
    with pytest.raises(ValueError, match="its last character does not check the others"):
        persistent_ids.orcid("".join(digits))


@given(st.integers(1, 6), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"))
def test_a_wrong_character_of_a_ror_identifier_is_noticed(place, other):
    right = "05gvnxz63"
    wrong = right[:place] + other + right[place + 1 :]
    if wrong == right:
        assert persistent_ids.ror(wrong) == ROR
        return
    with pytest.raises(ValueError, match="do not check the others"):
        persistent_ids.ror(wrong)


@pytest.mark.parametrize(
    "text", ["10.1145/3295500", "https://doi.org/10.1145/3295500", "doi:10.1145/3295500"]
)
def test_a_doi_comes_without_its_resolver(text):
    assert persistent_ids.doi(text) == "10.1145/3295500"


@pytest.mark.parametrize("text", ["", "11.1145/3", "10.1145", "10.1145/a b"])
def test_what_is_no_doi_is_refused(text):
    with pytest.raises(ValueError, match="is no DOI"):
        persistent_ids.doi(text)
