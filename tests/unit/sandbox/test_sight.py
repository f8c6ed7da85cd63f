"""What a program finds: the libraries of mathematics, nothing of the host or of other programs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import services.sandbox.guest
from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE, SandboxProvider
from services.sandbox.docker import DockerSandbox
from services.sandbox.local import LocalSandbox
from tests.engines import IMAGE
from tests.unit.sandbox.providers import PROCESSES

pytestmark = pytest.mark.asyncio(loop_scope="module")

OF_THE_HOST = (
    sys.executable,
    str(Path(sys.prefix, "pyvenv.cfg")),
    str(Path(pytest.__file__)),
    str(Path(services.sandbox.guest.__file__)),
)
OF_EVERY_SYSTEM = (
    *("/etc/passwd", "/etc/hostname", "/etc/debian_version", "/var/lib/dpkg/status"),
    *("/usr/bin/python3", "/opt/stepforge/guest/step.py", "/proc/self/status", "/proc/version"),
)

OPENED = """
opened = []
for path in PATHS:
    try:
        with open(path, "rb") as file:
            opened.append(path)
    except OSError:
        pass
print(opened)
"""

READ_ALL = """
import os, sys
allowed = {"numpy", "numpy.libs", "sympy", "mpmath", "tzdata"}
stdlib = os.path.dirname(os.__file__)
others = []
for place in [*sys.path, "/", "/usr", "/usr/lib", "/usr/local", "/etc", "/opt", "/root", "/home"]:
    for folder, _, names in os.walk(place):
        if allowed & set(os.path.relpath(folder, place).split("/")):
            continue
        for name in names:
            path = os.path.join(folder, name)
            inside = os.path.realpath(path).startswith(stdlib + "/")
            if inside and "site-packages" not in path and "dist-packages" not in path:
                continue
            try:
                open(path, "rb").close()
            except OSError:
                continue
            others.append(path)
print(len(others), others[:5])
"""

IMPORTED = """
import importlib, io, sys
without = {"antigravity", "this", "idlelib", "lib2to3", "tkinter", "turtle", "turtledemo", "venv",
    "_tkinter", "ensurepip", "distutils", "pydoc_data", "curses", "_curses", "_curses_panel",
    "readline", "_dbm", "_gdbm", "nis", "ossaudiodev"}
missing = []
for name in sorted(sys.stdlib_module_names - without):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        pass
    except BaseException as error:
        missing.append((name, error))
print(len(sys.modules) > 500, missing)
import sqlite3, ssl, hashlib, ctypes, decimal, lzma, bz2, zlib, zoneinfo, uuid, json, asyncio
zoneinfo.ZoneInfo("Europe/Berlin")
import numpy.fft, numpy.polynomial, numpy.random, sympy.physics.units, mpmath.calculus
"""

FIND_TEXT = """
import gc
wanted = ' '.join(['of', 'another', 'search'])
seen, found, waiting = set(), [], list(gc.get_objects())
while waiting:
    thing = waiting.pop()
    if id(thing) in seen:
        continue
    seen.add(id(thing))
    if isinstance(thing, str) and wanted in thing and thing != wanted:
        found.append(thing)
    if isinstance(thing, (bytes, bytearray)) and wanted.encode() in thing:
        found.append(thing)
    waiting.extend(gc.get_referents(thing))
print(len(seen) > 1000, [thing[:99] for thing in found])
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PROCESSES)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SandboxProvider]:
    docker = request.param == "docker"
    provider = DockerSandbox(image=IMAGE, guests=1) if docker else LocalSandbox(guests=1)
    await provider.start()
    yield provider
    await provider.close()


async def printed(provider: SandboxProvider, code: str) -> str:
    session = await provider.open_session()
    _, execution = await session.execute(code, parent=ROOT_STATE)
    await session.close()
    assert execution.outcome is Outcome.OK, execution
    return execution.stdout


async def test_files_of_the_host_are_not_for_programs(provider: SandboxProvider) -> None:
    paths = (*OF_THE_HOST, *OF_EVERY_SYSTEM)
    assert await printed(provider, f"PATHS = {paths!r}\n{OPENED}") == "[]\n"


async def test_nothing_in_the_interpreters_trees_is_read_but_what_programs_need(
    provider: SandboxProvider,
) -> None:
    assert await printed(provider, READ_ALL) == "0 []\n"


async def test_the_libraries_that_the_docs_name_are_whole(provider: SandboxProvider) -> None:
    assert (await printed(provider, IMPORTED)).endswith("True []\n")


@pytest.mark.parametrize("name", ["scipy", "pandas", "torch", "pytest", "services", "guest"])
async def test_other_packages_are_not_there_whatever_the_host_has(
    provider: SandboxProvider, name: str
) -> None:
    code = f"try:\n    import {name}\nexcept ModuleNotFoundError:\n    print('none')"
    assert await printed(provider, code) == "none\n"


async def test_no_text_of_another_session_is_in_the_memory_of_a_step(
    provider: SandboxProvider,
) -> None:
    other = await provider.open_session()
    # Plain steps, which the warden evaluates itself, and such that run in a process.
    code = "x = 'of another search'\nprint('of another search')"
    plain, _ = await other.execute(code, parent=ROOT_STATE)
    code = "import sys\ny = 'of another search' + x\nprint(y)"
    forked, told = await other.execute(code, parent=plain)
    assert told.outcome is Outcome.OK
    await other.execute("raise ValueError('of another search')", parent=forked)
    assert await printed(provider, FIND_TEXT) == "True []\n"
    await other.close()
