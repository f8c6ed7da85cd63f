"""Model folders: checked before they are read, complete before they have their name.

A folder is written beside its destination and renamed when every file of it is on disk, so a folder
with its final name is always whole, whatever stopped the training.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from services.errors import ConfigurationError, InfrastructureError, ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "*.safetensors"

_SPARE_BYTES = 64 * 2**20
"""Free space that is left beside a model, so that logs and the database can still be written."""


class DiskFull(InfrastructureError):
    """There is no room for a model folder; nothing of it was left behind."""


def content_hash(folder: Path) -> str:
    """The sha256, in hex, of a model folder's config and weights: equal models, equal hashes."""
    digest = hashlib.sha256()
    for path in sorted([folder / CONFIG, *folder.glob(WEIGHTS)]):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


def require_model(folder: Path) -> Path:
    """The folder, once it is known to hold a config, a tokenizer and readable weights.

    Raises:
        ModelError: names the folder, what is wrong with it, and what to do.
    """
    remedy = "Give a folder that save_pretrained wrote, with its tokenizer and safetensors weights."
    if not folder.is_dir():
        raise ModelError(f"There is no model folder {folder}. {remedy}")
    missing = [name for name in (CONFIG, TOKENIZER) if not (folder / name).is_file()]
    weights = sorted(folder.glob(WEIGHTS))
    if not weights:
        missing.append(WEIGHTS)
    if missing:
        raise ModelError(f"The folder {folder} is not a model: no {', '.join(missing)}. {remedy}")
    try:
        json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{folder / CONFIG} is not JSON: {error}. {remedy}") from error
    for path in weights:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except SafetensorError as error:
            raise ModelError(
                f"{path} cannot be read ({error}): an interrupted copy, perhaps. {remedy}"
            ) from error
    return folder


def weight_bytes(folder: Path) -> int:
    """Size of a model folder's weights on disk."""
    return sum(path.stat().st_size for path in folder.glob(WEIGHTS))


def require_room(folder: Path, needed: int) -> None:
    """Check that `needed` bytes can be written in an existing folder, with some to spare.

    Raises:
        DiskFull: says how much is free and how much is needed.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise DiskFull(
            f"{folder} has {free / 2**20:.0f} MiB free and a model of {needed / 2**20:.0f} MiB is "
            "to be written there. Delete old checkpoints or move the home folder, then run again."
        )


@contextmanager
def publishing(out: Path, *, expected_bytes: int) -> Iterator[Path]:
    """Yields an empty folder that becomes `out` when the block ends, and vanishes if it fails.

    Args:
        out: where the model is to be; its parent exists, itself not.
        expected_bytes: about what will be written.

    Raises:
        ConfigurationError: `out` is already there.
        DiskFull: there is too little room, or it ran out while the block wrote.
    """
    if out.exists():
        raise ConfigurationError(f"{out} is already there. Delete it, or choose another folder.")
    require_room(out.parent, expected_bytes)
    draft = out.with_name(f".{out.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield draft
        _sync(draft)
        draft.rename(out)
        _sync_entry(out.parent)
    except (OSError, SafetensorError) as error:
        if _says_disk_full(error):
            raise DiskFull(
                f"The disk of {out.parent} filled up while {out.name} was written; the unfinished "
                "folder was removed. Delete old checkpoints, then run again."
            ) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _says_disk_full(error: OSError | SafetensorError) -> bool:
    """The safetensors library reports an operating system's error as text only."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return os.strerror(errno.ENOSPC) in str(error) or os.strerror(errno.EDQUOT) in str(error)


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync_entry(path)
    _sync_entry(folder)


def _sync_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
