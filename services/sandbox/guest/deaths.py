"""What the end of a process says of the program in it, for every wait status that there can be.

A program can choose the signal that ends its process, so a signal alone labels nothing: a step is
timed out where it has used its processor time, and out of memory where the kernel has killed for
want of it. Anything else that ends a process is a crash.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import step

if TYPE_CHECKING:
    from collections.abc import Iterator

_VMSTAT = "/proc/vmstat"


@dataclass(frozen=True, slots=True)
class Death:
    """A process that has ended, as the kernel tells its parent."""

    pid: int
    status: int
    """As `os.wait4` gives it."""
    cpu_seconds: float
    """What it and the children that it waited for have used."""

    @property
    def signal(self) -> int:
        """The number of the signal that ended it, 0 where it exited."""
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else 0

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it, which most often somebody else has sent."""
        return self.signal == signal.SIGKILL

    def report(self, *, cpu_limit: float, kernel_kills: bool) -> step.Report:
        """What it means that a step's process ended so, and without a report.

        `kernel_kills` says whether the kernel killed a process for memory at that time.
        """
        if not self.signal:
            return broken(f"The process exited with status {_exit_status(self.status)}.")
        if self.signal == signal.SIGXCPU and self.cpu_seconds >= cpu_limit:
            return timed_out("processor")
        if self.was_killed and kernel_kills:
            return out_of_memory("The kernel ended the process for want of memory.")
        return broken(f"The process was killed by {signal_name(self.signal)}.")


def reap() -> Iterator[Death]:
    """The children that have ended since the last call. Never waits."""
    with suppress(ChildProcessError):
        while True:
            pid, status, used = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            yield Death(pid, status, used.ru_utime + used.ru_stime)


class KernelKills:
    """Whether the kernel has killed for memory since it was last asked.

    Its count is that of the whole machine: evidence only beside a process that was killed.
    """

    def __init__(self, source: str = _VMSTAT) -> None:
        self._source = source
        self._seen = self._count()

    def any_new(self) -> bool:
        seen, self._seen = self._seen, self._count()
        return self._seen > seen

    def _count(self) -> int:
        """0 where the kernel does not tell."""
        try:
            with open(self._source, "rb") as file:  # noqa: PTH123 - as the guest reads all of /proc
                lines = file.read().splitlines()
            return max(int(line.split()[1]) for line in lines if line.startswith(b"oom_kill "))
        except (OSError, ValueError, IndexError):
            return 0


def signal_name(number: int) -> str:
    """The name of a signal; real-time ones have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def timed_out(which: str) -> step.Report:
    return step.Report(step.TIMED_OUT, exception_message=f"The step passed its {which} time.")


def out_of_memory(message: str) -> step.Report:
    return step.Report(step.OUT_OF_MEMORY, "", "MemoryError", message)


def broken(message: str) -> step.Report:
    """The program made its own process end, or unable to report."""
    return step.Report(step.RAISED, "", "ProcessDied", message)


def _exit_status(status: int) -> int:
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else status
