"""A file of an archive is known by its checksum: another one in its place is never read."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from services.errors import ArchiveDamaged

if TYPE_CHECKING:
    from pathlib import Path

    from db.records.archives import ArchiveRow


def checksum(path: Path) -> bytes:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def verify(archive: ArchiveRow, path: Path) -> None:
    """Insist that the file is there and is the one that was written.

    Raises:
        ArchiveDamaged: it is gone or has changed; says what to do.
    """
    where = f"The archive of round {archive.round_id}, {path},"
    remedy = "Bring the file back from a backup; nothing else holds these nodes."
    try:
        found = checksum(path)
    except OSError as error:
        raise ArchiveDamaged(f"{where} cannot be read: {error.strerror}. {remedy}") from error
    if found != archive.sha256:
        raise ArchiveDamaged(
            f"{where} has changed since it was written (sha256 {found.hex()[:12]}..., not "
            f"{archive.sha256.hex()[:12]}...). {remedy}"
        )
