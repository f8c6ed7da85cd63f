"""What the kernel says of a process of the guest, and what the warden does to it.

A program cannot lie here: pids come with the kernel's own credentials, and times, sizes and
children are read from outside.
"""

# Read for every step, and a path object costs more than the reading.
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CPU_SLACK_SECONDS = 1
_ROUNDS_OF_KILLING = 100
_FORKING_BYTES = 32 * 1024 * 1024
"""What a state may map beyond its step's memory, to fork."""
_FOLDER_LINKS = 2
"""Links of a folder with no folders in it; the task folder has one more for each thread."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a process may use while it runs a step."""

    address_space: int
    """Bytes, what the warm interpreter maps included."""
    cpu_seconds: float
    """The warden watches the exact time; the kernel's own limit only backs it up."""
    tasks: int
    """Processes and threads of the guest's user at most, everybody's included."""


class Limiter:
    """Sets the limits of other processes; what a process has inherited as hard stays the roof."""

    def __init__(self) -> None:
        self._kinds = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC)
        self._roofs = {kind: resource.getrlimit(kind)[1] for kind in self._kinds}

    def restrain(self, pid: int, allowance: Allowance) -> None:
        """Apply an allowance. Raises ProcessLookupError where the process is gone."""
        cpu = int(allowance.cpu_seconds) + 1 + _CPU_SLACK_SECONDS
        wanted = (allowance.address_space, cpu, allowance.tasks)
        for kind, value in zip(self._kinds, wanted, strict=True):
            self._set(pid, kind, value)

    def rest(self, pid: int, allowance: Allowance) -> None:
        """Hold a waiting state: it starts nothing, and what its step was given stays its memory.

        It may use what processor time forking takes; `Keeper.sweep` looks at that.
        """
        with suppress(OSError):
            self._set(pid, resource.RLIMIT_CPU, self._roofs[resource.RLIMIT_CPU])
            self._set(pid, resource.RLIMIT_AS, allowance.address_space + _FORKING_BYTES)
            self._set(pid, resource.RLIMIT_NPROC, 0)

    def let_fork(self, pid: int, tasks: int) -> None:
        """Let a waiting state fork; `tasks` as in `Allowance`. `hold` ends it."""
        with suppress(OSError):
            self._set(pid, resource.RLIMIT_NPROC, tasks)

    def hold(self, pid: int) -> None:
        """Let a state start nothing from now on."""
        with suppress(OSError):
            self._set(pid, resource.RLIMIT_NPROC, 0)

    def _set(self, pid: int, kind: int, value: int) -> None:
        roof = self._roofs[kind]
        soft = value if roof == resource.RLIM_INFINITY else min(value, roof)
        resource.prlimit(pid, kind, (soft, roof))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its threads have used, 0 where it is gone.

    The clock id is the kernel's encoding of a process's clock (MAKE_PROCESS_CPUCLOCK).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def starved_seconds(pid: int) -> float:
    """Time that a process was ready to run while others had the processors.

    0 where the kernel does not tell, and for a process with threads or children: those may be the
    others, and a program must not win time by crowding itself out.
    """
    try:
        with open(f"/proc/{pid}/schedstat", "rb") as file:
            waited = int(file.read().split()[1])
        alone = len(os.listdir(f"/proc/{pid}/task")) == 1 and not has_children(pid)
    except (OSError, IndexError, ValueError):
        return 0.0
    return waited / 1e9 if alone else 0.0


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that no file backs, what it shares with its parent included."""
    _, resident, shared = _memory(pid)
    return resident - shared


def mapped_bytes(pid: int) -> int:
    """Address space of a process."""
    mapped, _, _ = _memory(pid)
    return mapped


def has_children(pid: int) -> bool:
    """Whether processes live below this one. True where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return bool(file.read(1))
    except OSError:
        return True


def is_alone(pid: int) -> bool:
    """Whether a process has one thread and no children, or is gone."""
    alive = threads(pid)
    return not alive or (alive == 1 and not has_children(pid))


def threads(pid: int) -> int:
    """How many threads a process has, 0 where it is gone."""
    try:
        return os.stat(f"/proc/{pid}/task").st_nlink - _FOLDER_LINKS  # noqa: PTH116
    except OSError:
        return 0


def descendants(pid: int) -> list[tuple[int, int]]:
    """What lives below a process, each with its parent; parents come first."""
    found: list[tuple[int, int]] = []
    above = [pid]
    while above:
        parent = above.pop()
        children = _children(parent)
        found += [(child, parent) for child in children]
        above += children
    return found


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    children: list[int] = []
    with suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += map(int, file.read().split())
    return children


def can_fork() -> bool:
    """Whether the kernel gives this user another process now, tried out."""
    try:
        pid = os.fork()
    except OSError:
        return False
    if not pid:
        os._exit(0)
    return True


def kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


class Dying:
    """Processes that were killed and that the kernel still counts."""

    def __init__(self) -> None:
        self._tasks: dict[int, int] = {}

    @property
    def tasks(self) -> int:
        """How many processes and threads they may be together."""
        return sum(self._tasks.values())

    def kill(self, pid: int) -> None:
        """Kill a process. Where it was killed before, it counts as what it was then."""
        self._tasks.setdefault(pid, threads(pid))
        kill(pid)

    def forget(self, pid: int) -> None:
        """A process has been reaped."""
        self._tasks.pop(pid, None)

    def sweep(self) -> None:
        """Forget those that somebody else has reaped."""
        for pid in tuple(self._tasks):
            try:
                os.kill(pid, 0)
            except OSError:
                del self._tasks[pid]


def kill_strays(states: Collection[int], running: Collection[int], dying: Dying) -> None:
    """Kill what descends from this process, but for `states` and what `running` ones have below.

    A program that forks as fast as it is killed has a bounded number of processes, so that a few
    rounds end it.
    """
    for _ in range(_ROUNDS_OF_KILLING):
        strays = _strays(states, running)
        if not strays:
            return
        for pid in strays:
            dying.kill(pid)
        time.sleep(0)


def _strays(states: Collection[int], running: Collection[int]) -> list[int]:
    parents = _living_parents()
    me = os.getpid()
    strays = []
    for pid in parents:
        above = pid
        while above not in states and above not in running and above in parents:
            above = parents[above]
        # A process that hangs below neither a state nor the warden is none of the guest's.
        if above != pid and (above in states or above == me):
            strays.append(pid)
    return strays


def _living_parents() -> dict[int, int]:
    """The parent of every process but this one that is visible and not yet a zombie."""
    me = os.getpid()
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == me:
            continue
        with suppress(OSError, ValueError), open(f"/proc/{name}/stat", "rb") as file:
            # The name of the program comes in parentheses and may hold any character.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state not in (b"Z", b"X"):
                parents[int(name)] = int(parent)
    return parents


def _memory(pid: int) -> tuple[int, int, int]:
    """Bytes that a process has mapped, has in use, and of these from files; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            mapped, resident, shared = file.read().split()[:3]
    except (OSError, ValueError):
        return 0, 0, 0
    return int(mapped) * _PAGE_BYTES, int(resident) * _PAGE_BYTES, int(shared) * _PAGE_BYTES
