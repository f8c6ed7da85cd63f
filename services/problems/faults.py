"""What of a source cannot be used: gathered to the end, then told or written beside the source.

A file of left-out entries stands under its name whole or not at all. Memory does not grow with the
number of faults.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Protocol

from services.errors import ProblemImportError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from db.errors import StepforgeError

TOLD = 20
"""So many faults are told in full; of the others only the number."""


class OnBad(Protocol):
    """Is told of an entry that cannot be used, after which the next is read."""

    def __call__(self, where: str, reason: str, entry: object) -> None:
        """`where` it stands, why it cannot be used in a sentence, and what stands there."""
        ...


class Faults:
    """The faults of one source. Told at `end`, or written to a file where one is named."""

    def __init__(
        self,
        rejects: Path | None = None,
        *,
        command: str = "problems import",
        refusal: type[StepforgeError] = ProblemImportError,
    ) -> None:
        """`command` is ours that can leave entries out; `refusal` is raised where it does not."""
        self.count = 0
        self._refusal = refusal
        self._command = command
        self._rejects = rejects
        self._first: list[str] = []
        self._file: IO[str] | None = None

    @property
    def leaves_out(self) -> bool:
        """Whether what cannot be used is left out, and the rest imported."""
        return self._rejects is not None

    def __enter__(self) -> Faults:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """What `end` has not put in place is removed."""
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)

    def note(self, where: str, reason: str, entry: object) -> None:
        """See `OnBad`.

        Raises:
            ProblemImportError: the file of left-out entries cannot be written.
        """
        self.count += 1
        if self._rejects is None:
            if self.count <= TOLD:
                self._first.append(reason)
            return
        line = json.dumps({"where": where, "reason": reason, "entry": entry}, default=str)
        try:
            self._opened(self._rejects).write(line + "\n")
        except OSError as error:
            raise _unwritable(self._rejects, error) from error

    def end(self) -> None:
        """Put the file of left-out entries in its place, or refuse the source.

        Raises:
            StepforgeError: the `refusal`: there are faults and none is to be left out.
            ProblemImportError: the file cannot be written.
        """
        if self._rejects is None:
            if self._first:
                raise self._refusal(_told(self._first, self.count, self._command))
            return
        if self._file is None:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            Path(self._file.name).replace(self._rejects)
        except OSError as error:
            raise _unwritable(self._rejects, error) from error
        self._file = None

    def _opened(self, rejects: Path) -> IO[str]:
        if self._file is None:
            self._file = NamedTemporaryFile(  # noqa: SIM115  # closed by `end` or on the way out
                "w", encoding="utf-8", dir=rejects.parent, prefix=f".{rejects.name}.", delete=False
            )
        return self._file


def rejects_of(source: str) -> Path:
    """Where left-out entries go: beside a file; for another source, in the working folder."""
    path = Path(source)
    if path.is_file():
        return path.with_name(f"{path.name}.rejects.jsonl")
    return Path(re.sub(r"[^\w.-]+", "-", source) + ".rejects.jsonl")


def _told(first: Sequence[str], count: int, command: str) -> str:
    way_out = f"pass --skip-bad to `stepforge {command}` to leave"
    if count == 1:
        return f"{first[0]} Or {way_out} it out."
    listed = "\n".join(f"  {reason}" for reason in first)
    more = f"\n  and {count - len(first):,} more." if count > len(first) else ""
    return (
        f"{count:,} entries cannot be used, and nothing was imported; correct them, or {way_out} "
        f"them out:\n{listed}{more}"
    )


def _unwritable(rejects: Path, error: OSError) -> ProblemImportError:
    return ProblemImportError(
        f"{rejects}, for the entries that are left out, cannot be written "
        f"({error.strerror or error}); name another file with --rejects. Nothing was imported."
    )
