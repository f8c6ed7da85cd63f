"""Where every command ends: an error becomes one sentence and an exit status, never a traceback.

A traceback is for defects of our own; those are not caught here.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console
from rich.text import Text

from db.errors import StepforgeError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
INTERRUPTED = 130
"""What Typer ends with after Ctrl-C: 128 + SIGINT, as shells do."""


def run_command(command: Callable[[], None]) -> None:
    """Run a command and end the process with its status."""
    console = Console(stderr=True)
    try:
        command()
    except StepforgeError as error:
        _fail(console, str(error))
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            console.print(
                "\nStopped. What was committed is safe; run it again to go on from there."
            )
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "the home folder"
        _fail(
            console,
            f"the disk is full ({where}). Free some space, or choose another home with "
            "STEPFORGE_HOME, and run the command again; it goes on where it stopped.",
        )


def _fail(console: Console, sentence: str) -> NoReturn:
    """One line, however narrow the terminal, so that it can be searched for and copied."""
    console.print(Text(f"Error: {sentence}", style="bold red"), soft_wrap=True)
    sys.exit(FAILED)
