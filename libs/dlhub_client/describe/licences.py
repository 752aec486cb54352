"""Licences by their identifiers in the SPDX list."""

from __future__ import annotations

import difflib
import re
from typing import Any

from dlhub_client.errors import Malformed

SITE = "https://spdx.org/licenses/"
_COMMON = {
    "0BSD": "BSD Zero Clause License",
    "AFL-3.0": "Academic Free License v3.0",
    "AGPL-3.0-only": "GNU Affero General Public License v3.0 only",
    "AGPL-3.0-or-later": "GNU Affero General Public License v3.0 or later",
    "Apache-2.0": "Apache License 2.0",
    "Artistic-2.0": "Artistic License 2.0",
    "BSD-2-Clause": 'BSD 2-Clause "Simplified" License',
    "BSD-3-Clause": 'BSD 3-Clause "New" or "Revised" License',
    "BSL-1.0": "Boost Software License 1.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-NC-4.0": "Creative Commons Attribution Non Commercial 4.0 International",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution Non Commercial No Derivatives 4.0 International",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution Non Commercial Share Alike 4.0 International",
    "CC-BY-ND-4.0": "Creative Commons Attribution No Derivatives 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution Share Alike 4.0 International",
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "CECILL-2.1": "CeCILL Free Software License Agreement v2.1",
    "ECL-2.0": "Educational Community License v2.0",
    "EPL-2.0": "Eclipse Public License 2.0",
    "EUPL-1.2": "European Union Public License 1.2",
    "GPL-2.0-only": "GNU General Public License v2.0 only",
    "GPL-2.0-or-later": "GNU General Public License v2.0 or later",
    "GPL-3.0-only": "GNU General Public License v3.0 only",
    "GPL-3.0-or-later": "GNU General Public License v3.0 or later",
    "ISC": "ISC License",
    "LGPL-2.1-only": "GNU Lesser General Public License v2.1 only",
    "LGPL-2.1-or-later": "GNU Lesser General Public License v2.1 or later",
    "LGPL-3.0-only": "GNU Lesser General Public License v3.0 only",
    "LGPL-3.0-or-later": "GNU Lesser General Public License v3.0 or later",
    "MIT": "MIT License",
    "MIT-0": "MIT No Attribution",
    "MPL-2.0": "Mozilla Public License 2.0",
    "MulanPSL-2.0": "Mulan Permissive Software License, Version 2",
    "NCSA": "University of Illinois/NCSA Open Source License",
    "ODC-By-1.0": "Open Data Commons Attribution License v1.0",
    "ODbL-1.0": "Open Data Commons Open Database License v1.0",
    "OSL-3.0": "Open Software License 3.0",
    "PDDL-1.0": "Open Data Commons Public Domain Dedication & License 1.0",
    "PSF-2.0": "Python Software Foundation License 2.0",
    "Unlicense": "The Unlicense",
    "Zlib": "zlib License",
}
"""The ones that models, data and code of research usually have."""
_BY_LOWER = {identifier.lower(): identifier for identifier in _COMMON} | {
    name.lower(): identifier for identifier, name in _COMMON.items()
}
_LOOKS_LIKE_ONE = re.compile(r"[A-Za-z][A-Za-z0-9.+]*(?:-[A-Za-z0-9.+]+)*-\d[A-Za-z0-9.+-]*")
"""The rest of the list is mostly a name and a version."""
_EXPRESSION = re.compile(r"\s+(?:AND|OR|WITH)\s+")


def rights_of(licence: str) -> list[dict[str, Any]]:
    """DataCite's blocks for a licence of the SPDX list, or an expression of several. Raises Malformed."""
    text = licence.strip().removeprefix(SITE).removesuffix(".html").removesuffix(".json")
    if _EXPRESSION.search(text):
        for part in _EXPRESSION.split(text.replace("(", " ").replace(")", " ")):
            _identifier(part.strip())
        return [{"rights": text}]
    identifier = _identifier(text)
    return [
        {
            "rights": _COMMON.get(identifier, identifier),
            "rightsUri": f"{SITE}{identifier}.html",
            "rightsIdentifier": identifier,
            "rightsIdentifierScheme": "SPDX",
            "schemeUri": SITE,
        }
    ]


def _identifier(text: str) -> str:
    known = _BY_LOWER.get(text.lower())
    if known:
        return known
    if _LOOKS_LIKE_ONE.fullmatch(text):
        return text
    near = difflib.get_close_matches(text.lower(), _BY_LOWER, 1, 0.4)
    hint = (
        f"did you mean {_BY_LOWER[near[0]]!r}?" if near else "Apache-2.0, MIT and CC-BY-4.0 are three of them"
    )
    raise Malformed(f"{text!r} is no identifier of the SPDX list of licences ({SITE}); {hint}")
