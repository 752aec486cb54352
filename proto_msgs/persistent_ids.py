"""Identifiers of people, organisations and works: their written forms, and the digits that check them.

What is given back is always the `https` form, whatever form came.
"""

from __future__ import annotations

import re
from typing import Any

ORCID_SITE = "https://orcid.org"
ROR_SITE = "https://ror.org"
DOI_SITE = "https://doi.org"

_ORCID = re.compile(r"(?:(?:https?://)?(?:www\.)?orcid\.org/)?(\d{4})-?(\d{4})-?(\d{4})-?(\d{3}[\dXx])/?")
_ROR = re.compile(r"(?:(?:https?://)?(?:www\.)?ror\.org/)?(0[a-hj-km-np-tv-z0-9]{6})(\d{2})/?", re.IGNORECASE)
_DOI = re.compile(r"(?:(?:https?://)?(?:dx\.)?doi\.org/|doi:\s*)?(10\.\d+(?:\.\d+)*/\S+)", re.IGNORECASE)
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
"""Digits of base 32 as Crockford writes them: without i, l, o and u."""


def orcid(text: str) -> str:
    """The ORCID in `text`, such as `https://orcid.org/0000-0002-1825-0097`. Raises ValueError."""
    found = _ORCID.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text!r} is no ORCID: 16 digits were expected, as in {ORCID_SITE}/0000-0002-1825-0097"
        )
    groups = [group.upper() for group in found.groups()]
    characters = "".join(groups)
    if _check_character(characters[:-1]) != characters[-1]:
        raise ValueError(
            f"{text!r} is no ORCID: its last character does not check the others; is a digit wrong?"
        )
    return f"{ORCID_SITE}/{'-'.join(groups)}"


def _check_character(digits: str) -> str:
    """ISO 7064, MOD 11-2."""
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    remainder = (12 - total % 11) % 11
    return "X" if remainder == 10 else str(remainder)


def ror(text: str) -> str:
    """The ROR identifier in `text`, such as `https://ror.org/05gvnxz63`. Raises ValueError."""
    found = _ROR.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no ROR identifier: one such as {ROR_SITE}/05gvnxz63 was expected")
    body, check = found[1].lower(), found[2]
    number = 0
    for character in body:
        number = number * 32 + _CROCKFORD.index(character)
    if 98 - number * 100 % 97 != int(check):  # ISO 7064, MOD 97-10
        raise ValueError(
            f"{text!r} is no ROR identifier: its last two digits do not check the others; is a "
            "character wrong?"
        )
    return f"{ROR_SITE}/{body}{check}"


def doi(text: str) -> str:
    """The DOI in `text`, without a resolver: `10.1145/3295500`. Raises ValueError."""
    found = _DOI.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no DOI: one such as 10.1109/IPDPS.2019.00038 was expected")
    return found[1]


def with_checked_id(block: Any, field: str, scheme_field: str) -> Any:
    """A block of JSON whose ORCID or ROR identifier is in its `https` form. Raises ValueError."""
    if not isinstance(block, dict) or not isinstance(block.get(field), str):
        return block
    text, scheme = block[field], block.get(scheme_field)
    if _is_of("ORCID", "orcid.org", scheme, text):
        return {**block, field: orcid(text), scheme_field: "ORCID"}
    if _is_of("ROR", "ror.org", scheme, text):
        return {**block, field: ror(text), scheme_field: "ROR"}
    return block


def _is_of(wanted: str, site: str, scheme: Any, text: str) -> bool:
    """Whether an identifier is meant to be of that kind."""
    return (isinstance(scheme, str) and scheme.strip().upper() == wanted) or f"{site}/" in text.lower()
