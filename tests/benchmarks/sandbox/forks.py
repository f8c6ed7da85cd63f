"""What the kernel itself takes: fork and wait of an interpreter as warm as a guest's.

    python -m tests.benchmarks.sandbox.forks

Prints the seconds of so many forks, as JSON, for each line that it reads.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time

from services.sandbox.guest.warmup import warm_up

FORKS = 40


class BareForks:
    """A warm interpreter in a process of its own that forks on demand."""

    async def __aenter__(self) -> BareForks:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.benchmarks.sandbox.forks"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        await self.seconds()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def seconds(self) -> list[float]:
        """The seconds of each of `FORKS` forks, made now."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The forks' process has no pipes.")
        self._process.stdin.write(b"go\n")
        times: list[float] = json.loads(await self._process.stdout.readline())
        return times


def _fork() -> float:
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return time.perf_counter() - started


def main() -> None:
    """Fork for each line of standard input."""
    warm_up()
    gc.collect()
    gc.freeze()
    for _ in sys.stdin:
        print(json.dumps([_fork() for _ in range(FORKS)]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
