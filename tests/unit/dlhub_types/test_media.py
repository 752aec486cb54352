"""Media types by name, by first bytes, by file name."""

from __future__ import annotations

import pytest

from dlhub_types.media import named, recognised


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "application/octet-stream"),
        ("", "application/octet-stream"),
        ("image/JPG", "image/jpeg"),
        ("text/csv; charset=utf-8; header=present", "text/csv"),
        ("application/npy", "application/x-npy"),
        ("chemical/x-cif", "chemical/x-cif"),
    ],
)
def test_a_type_has_one_name(header: str | None, expected: str) -> None:
    assert named(header) == expected


@pytest.mark.parametrize(
    ("data", "filename", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n...", None, "image/png"),
        (b"\x89PNG\r\n\x1a\n...", "x.csv", "image/png"),
        (b"\xff\xd8\xff\xe0", None, "image/jpeg"),
        (b"II*\x00", None, "image/tiff"),
        (b"MM\x00*", None, "image/tiff"),
        (b"\x93NUMPY\x01\x00", None, "application/x-npy"),
        (b"1,2\n", "TABLE.CSV", "text/csv"),
        (b"1,2\n", None, "application/octet-stream"),
        (b"", "x.xyz", "application/octet-stream"),
    ],
)
def test_a_content_is_recognised(data: bytes, filename: str | None, expected: str) -> None:
    assert recognised(data, filename) == expected
