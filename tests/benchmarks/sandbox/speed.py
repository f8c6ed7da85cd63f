"""Steps a second, ours and the field's, taken in turns so that a busy moment hits all of them."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
from dataclasses import dataclass

from services.sandbox.docker import IMAGE, DockerSandbox
from services.sandbox.local import LocalSandbox
from tests.benchmarks.sandbox.forks import BareForks
from tests.benchmarks.sandbox.ways import (
    CORES,
    Sample,
    by_exec,
    by_fresh_interpreter,
    one_at_a_time,
    programs,
    python_command,
    through_sandbox,
)
from tests.benchmarks.sandbox.workload import DEPTH, SIBLINGS, Kind, trees

TURNS = 3
TREES_AT_ONCE = 16

_FRESH_INTERPRETERS = 12
"""Programs a turn by the two slow ways."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured; a sample is the median turn by its rate."""

    docker: Sample
    local: Sample
    docker_exec: Sample
    subprocess: Sample
    docker_sympy: Sample
    inprocess_sympy: Sample
    docker_light: Sample
    alone: Sample
    light_milliseconds: float
    fork_milliseconds: float

    @property
    def light_over_fork(self) -> float:
        return self.light_milliseconds / self.fork_milliseconds

    @property
    def light_rate_a_core(self) -> float:
        return self.docker_light.rate / CORES

    def figures(self) -> dict[str, object]:
        """As they stand in the result file."""
        return {
            "cores": CORES,
            "steps_per_second": self.docker.rate,
            "steps_per_second_local": self.local.rate,
            "vs_docker_exec": self.docker.rate / self.docker_exec.rate,
            "vs_subprocess": self.docker.rate / self.subprocess.rate,
            "vs_inprocess_sympy": self.docker_sympy.rate / self.inprocess_sympy.rate,
            "light_step_over_fork": self.light_over_fork,
            "light_step_ms": self.light_milliseconds,
            "fork_ms": self.fork_milliseconds,
            "light_steps_per_second_per_core": self.light_rate_a_core,
            "p50_ms": self.alone.milliseconds(50),
            "p95_ms": self.alone.milliseconds(95),
        }


async def measure(count: int) -> Speed:
    """`count` trees a turn and way. Needs Docker and the image."""
    mixed, sympy, light = (trees(kind, count) for kind in (Kind.MIXED, Kind.SYMBOLIC, Kind.PLAIN))
    container = await asyncio.to_thread(_idle_container)
    into_container = ["docker", "exec", "-i", container, "python3", "-"]
    taken: dict[str, list[Sample]] = {}

    def note(name: str, sample: Sample) -> None:
        taken.setdefault(name, []).append(sample)

    try:
        async with DockerSandbox() as docker, LocalSandbox() as local:
            for turn in range(TURNS):
                texts = programs(mixed[turn % count :], _FRESH_INTERPRETERS)
                note("docker", await through_sandbox(docker, mixed, at_once=TREES_AT_ONCE))
                note("docker_exec", await by_fresh_interpreter(into_container, texts))
                note("local", await through_sandbox(local, mixed, at_once=TREES_AT_ONCE))
                note("subprocess", await by_fresh_interpreter(python_command(), texts))
                note("docker_sympy", await through_sandbox(docker, sympy, at_once=TREES_AT_ONCE))
                every = programs(sympy, count * DEPTH * SIBLINGS)
                note("inprocess_sympy", await asyncio.to_thread(by_exec, every))
                note("docker_light", await through_sandbox(docker, light, at_once=TREES_AT_ONCE))
            alone = await one_at_a_time(docker, mixed)
        light_milliseconds, fork_milliseconds = await _light_beside_fork()
    finally:
        await asyncio.to_thread(_remove, container)
    middle = {name: sorted(s, key=lambda one: one.rate)[len(s) // 2] for name, s in taken.items()}
    return Speed(
        **middle,
        alone=alone,
        light_milliseconds=light_milliseconds,
        fork_milliseconds=fork_milliseconds,
    )


async def _light_beside_fork() -> tuple[float, float]:
    """Median milliseconds of a light step in one idle guest, and of a bare fork and wait."""
    forks: list[float] = []
    steps: list[float] = []
    async with DockerSandbox(guests=1) as provider, BareForks() as bare:
        for turn in range(8):
            forks += await bare.seconds()
            steps += (await one_at_a_time(provider, trees(Kind.PLAIN, 1, seed=turn))).latencies
    return statistics.median(steps) * 1000, statistics.median(forks) * 1000


def _idle_container() -> str:
    """A container of the same image, with nothing of ours in it, to be executed into."""
    command = ["docker", "run", "-d", "--rm", "--network", "none", "--entrypoint", "python3", IMAGE]
    command += ["-c", "import time; time.sleep(3600)"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def _remove(container: str) -> None:
    subprocess.run(["docker", "rm", "-f", container], capture_output=True, check=True)
