"""References to immutable content, kept by hash in the blob store."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BlobRef(BaseModel):
    """Content by hash: what a message carries in place of the bytes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of the content, lower-case hexadecimal."""
    size_bytes: int = Field(ge=0)


class NamedBlob(BlobRef):
    """Content by hash, with the file name that it had (a wheel's name carries its tags)."""

    name: str
