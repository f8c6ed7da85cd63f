"""The local provider as it is on other hosts: for an ordinary user, and where walls are missing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
INTERPRETER = Path(sys.executable).resolve()

ORDINARY_USER = """
    import os
    os.setgroups([]); os.setresgid(54321, 54321, 54321); os.setresuid(54321, 54321, 54321)
"""

NO_NAMESPACES = """
    from services.sandbox.guest import linux, seccomp
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install((seccomp.Rule("unshare"),))
"""

NO_FILTERS = """
    seccomp.install((seccomp.Rule("prctl", equal=(linux.PR_SET_SECCOMP,)),))
"""

REPORT = """
    import asyncio
    from services.errors import SandboxUnavailable
    from services.sandbox.base import Limits
    from services.sandbox.local import LocalSandbox
    async def main():
        async with LocalSandbox(guests=1, limits=Limits(wall_seconds=1.0)) as provider:
            print(*provider.isolation.missing, sep=", ")
            session = await provider.open_session()
            for code in STEPS:
                _, execution = await session.execute(code, parent=0)
                print(execution.outcome, execution.observation or execution.exception_type)
    try:
        asyncio.run(main())
    except SandboxUnavailable as error:
        print(error)
"""

STEPS = (
    "print(6 * 7)",
    "import os; os.kill(-1, 9)",
    "import socket; socket.socket()",
    "open('/tmp/stepforge-test', 'w')",
    "open('/etc/passwd')",
    "open('/proc/self/status')",
)

FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"


async def lines_of(*parts: str) -> list[str]:
    """What a process of its own prints that ran these parts of a script."""
    script = "".join(textwrap.dedent(part) for part in parts)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", f"STEPS = {STEPS!r}\nFORK_BOMB = {FORK_BOMB!r}\n{script}"),
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    output, _ = await worker.communicate()
    return output.decode().splitlines()


open_interpreter = pytest.mark.skipif(
    any(not folder.stat().st_mode & 0o001 for folder in INTERPRETER.parents),
    reason="this interpreter lies where an ordinary user may not look",
)


@open_interpreter
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_an_ordinary_user_gets_the_same_walls() -> None:
    missing, *steps = await lines_of(ORDINARY_USER, REPORT)
    assert missing == ""
    assert steps[0] == "ok 42"


async def test_without_namespaces_programs_still_cannot_write_read_signal_or_connect() -> None:
    missing, *steps = await lines_of(NO_NAMESPACES, REPORT)
    assert missing.startswith("no sight of the host's files, own process tree")
    assert steps == ["ok 42", *["raised PermissionError"] * 5]


@open_interpreter
async def test_without_namespaces_processes_are_still_counted() -> None:
    missing, *steps = await lines_of(NO_NAMESPACES, REPORT.replace("STEPS", "[FORK_BOMB]"))
    assert "process limit" not in missing
    assert steps == ["timed_out "]


async def test_without_namespaces_and_filters_nothing_runs() -> None:
    (refusal,) = await lines_of(NO_NAMESPACES, NO_FILTERS, REPORT)
    assert "system call filter" in refusal
    assert "STEPFORGE_ALLOW_UNISOLATED_SANDBOX" in refusal
