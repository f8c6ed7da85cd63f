"""The providers that the conformance suite and the hostile programs run against."""

from __future__ import annotations

import pytest

from services.sandbox.base import Limits, SandboxProvider
from services.sandbox.docker import DockerSandbox
from services.sandbox.fake import FakeSandbox
from services.sandbox.local import LocalSandbox
from tests.engines import IMAGE

LIMITS = Limits(
    wall_seconds=0.6,
    cpu_seconds=0.6,
    memory_bytes=256 * 1024 * 1024,
    output_bytes=2000,
    processes=8,
)

PROCESSES = ("local", pytest.param("docker", marks=pytest.mark.engine("docker")))
"""Providers that run real programs."""

ALL = ("fake", *PROCESSES)


def make_provider(name: str, *, guests: int = 1) -> SandboxProvider:
    if name == "fake":
        return FakeSandbox()
    if name == "docker":
        return DockerSandbox(image=IMAGE, limits=LIMITS, guests=guests)
    return LocalSandbox(limits=LIMITS, guests=guests)
