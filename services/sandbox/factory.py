"""Opens the sandbox that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.config import SandboxChoice
from services.sandbox.local import LocalSandbox

if TYPE_CHECKING:
    from services.sandbox.base import Limits, SandboxProvider


async def open_provider(
    choice: SandboxChoice,
    *,
    image: str,
    runtime: str,
    allow_unisolated: bool,
    limits: Limits,
    guests: int | None = None,
) -> SandboxProvider:
    """A started provider; the caller closes it.

    `AUTO` takes Docker where an engine answers and has the image, else the local provider.
    `guests` is the number of guests, one for each core where it is None.

    Raises:
        SandboxUnavailable: the provider cannot start; says what to do.
    """
    if choice is not SandboxChoice.LOCAL:
        # Only here, so that a machine without Docker does not pay for its client.
        from services.sandbox.docker import DockerSandbox

        containers = DockerSandbox(
            image=image,
            runtime=runtime,
            limits=limits,
            guests=guests,
            allow_unisolated=allow_unisolated,
        )
        if choice is SandboxChoice.DOCKER or await containers.is_available():
            await containers.start()
            return containers
        await containers.close()
    local = LocalSandbox(limits=limits, guests=guests, allow_unisolated=allow_unisolated)
    await local.start()
    return local
