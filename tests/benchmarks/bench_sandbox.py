"""The sandbox beside the other ways to run a model's programs, and what it withstands.

    python -m tests.benchmarks.bench_sandbox [--trees N] [--sessions N]

Prints tables and writes build/bench/sandbox.json. Every ratio is of two figures of this run, which
were taken in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess

from rich.console import Console
from rich.table import Table

from services.config import REPOSITORY
from services.sandbox.docker import IMAGE, DockerSandbox
from services.sandbox.local import LocalSandbox
from tests.benchmarks.sandbox import crowd, speed
from tests.integration.sandbox import killing
from tests.unit.sandbox.hostile import FAIL, SURVIVE, examine
from tests.unit.sandbox.living import counted
from tests.unit.sandbox.providers import LIMITS, make_provider

RESULT = REPOSITORY / "build" / "bench" / "sandbox.json"
SEARCHES = 100
GUESTS = 2

console = Console(width=100)


def show_speed(found: speed.Speed) -> None:
    table = Table("way to run a step", "steps/s", "ours is", title="Trees, depth 6, 8 siblings")
    table.add_row("Docker provider, half of the steps sympy", f"{found.docker.rate:.0f}", "")
    for name, sample in (
        ("local provider", found.local),
        ("docker exec of a fresh interpreter, prefix repeated", found.docker_exec),
        ("python subprocess, prefix repeated", found.subprocess),
    ):
        ratio = found.docker.rate / sample.rate
        table.add_row(name, f"{sample.rate:.1f}", f"{ratio:.1f} times")
    table.add_section()
    table.add_row("Docker provider, sympy steps only", f"{found.docker_sympy.rate:.0f}", "")
    ratio = found.docker_sympy.rate / found.inprocess_sympy.rate
    table.add_row(
        "exec in a process, prefix repeated", f"{found.inprocess_sympy.rate:.0f}", f"{ratio:.2f}"
    )
    table.add_section()
    table.add_row("Docker provider, light steps only", f"{found.docker_light.rate:.0f}", "")
    console.print(table)
    console.print(
        f"One step at a time in Docker: p50 {found.alone.milliseconds(50):.1f} ms, p95 "
        f"{found.alone.milliseconds(95):.1f} ms. A light step takes {found.light_milliseconds:.2f} "
        f"ms, a bare fork and wait {found.fork_milliseconds:.2f} ms: {found.light_over_fork:.2f}. "
        f"Light steps a second and core: {found.light_rate_a_core:.0f}."
    )


def show_crowd(found: crowd.Crowd) -> None:
    console.print(
        f"{found.sessions} sessions of {found.states} states, made in {found.seconds:.0f} s: a "
        f"guest held at most {found.bytes_a_guest / 2**20:.0f} MiB (bound "
        f"{crowd.BOUND_BYTES_A_GUEST / 2**20:.0f} MiB). A step from a living state takes "
        f"{found.living_milliseconds:.1f} ms, from one of depth 6 that was evicted "
        f"{found.rebuilt_milliseconds:.1f} ms."
    )


async def measure_speed(count: int) -> dict[str, object]:
    """Figure 1: steps a second beside the other ways."""
    found = await speed.measure(count)
    show_speed(found)
    return found.figures()


async def measure_crowd(sessions: int) -> dict[str, object]:
    """Figure 2: many sessions within bounded memory."""
    async with LocalSandbox(guests=GUESTS) as provider:
        found = await crowd.measure(provider, guests=GUESTS, sessions=sessions)
    show_crowd(found)
    return {
        "crowd_bytes_a_guest": found.bytes_a_guest,
        "crowd_bound_bytes_a_guest": crowd.BOUND_BYTES_A_GUEST,
        "living_step_ms": found.living_milliseconds,
        "rebuilt_step_ms": found.rebuilt_milliseconds,
    }


async def measure_hostile() -> dict[str, object]:
    """Figure 3: hostile programs, each beside a sibling."""
    total = len(FAIL) + len(SURVIVE)
    result: dict[str, object] = {"hostile_total": total}
    for kind, key in (("docker", "hostile_contained"), ("local", "hostile_contained_local")):
        escaped: dict[str, str] = {}
        provider = make_provider(kind)
        await provider.start()
        for name in (*FAIL, *SURVIVE):
            session = await provider.open_session()
            if why := await examine(session, name, LIMITS, count=counted(kind)):
                escaped[name] = why
            await session.close()
        await provider.close()
        result[key] = total - len(escaped)
        console.print(f"Hostile programs contained, {kind}: {total - len(escaped)} of {total}")
        for name, why in escaped.items():
            console.print(f"  {name}: {why}", markup=False)
    return result


async def measure_kills() -> dict[str, object]:
    """Figure 4: labels of searches whose sandbox is killed under them."""
    result: dict[str, object] = {}
    for kind, provider, victims in (
        ("docker", DockerSandbox(guests=GUESTS), killing.processes_of_containers),
        ("local", LocalSandbox(guests=GUESTS), killing.processes_of_local_guests),
    ):
        async with provider:
            undisturbed, _ = await killing.labels(provider, SEARCHES)
            disturbed, killer = await killing.labels(provider, SEARCHES, victims=victims)
        changed = sum(a != b for a, b in zip(undisturbed, disturbed, strict=True))
        result |= {f"kills_{kind}": killer.kills, f"searches_changed_by_kills_{kind}": changed}
        console.print(
            f"Processes killed under {SEARCHES} searches, {kind}: {killer.kills}; searches with "
            f"other labels: {changed}"
        )
    return result


def has_image() -> bool:
    """Whether an engine answers and has the sandbox image."""
    asked = ["docker", "image", "inspect", IMAGE]
    try:
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


async def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Take every figure. The keys are those of build/bench/sandbox.json."""
    return {
        **await measure_speed(arguments.trees),
        **await measure_crowd(arguments.sessions),
        **await measure_hostile(),
        **await measure_kills(),
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", type=int, default=12, help="trees of 48 steps a stretch")
    parser.add_argument("--sessions", type=int, default=crowd.SESSIONS)
    arguments = parser.parse_args()
    if not has_image():
        parser.error(
            "no Docker engine answers, or it has no image. Run deploy/sandbox/prepare-debian.sh"
        )
    result = asyncio.run(run(arguments))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
