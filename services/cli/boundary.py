"""Where every command ends: an error becomes one sentence and an exit status, never a traceback.

A traceback is for defects of our own; those are not caught here.
"""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from db.errors import StepforgeError

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
INTERRUPTED = 130
"""What a shell gives a command that Ctrl-C ended: 128 + SIGINT."""


def run_command(command: Callable[[], None]) -> None:
    """Run a command and end the process with its status."""
    console = Console(stderr=True)
    try:
        command()
    except StepforgeError as error:
        console.print(Text(f"Error: {error}", style="bold red"))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        console.print("\nStopped. What was committed is safe; the same command goes on from there.")
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = error.filename or "the home folder"
        console.print(
            Text(
                f"Error: the disk is full ({where}). Free some space, or choose another home with "
                "STEPFORGE_HOME, and run the command again; it goes on where it stopped.",
                style="bold red",
            )
        )
        sys.exit(FAILED)
