"""The sandbox of this machine's settings, with its share of the machine's cores."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from services.sandbox.base import Limits
from services.sandbox.factory import open_provider

if TYPE_CHECKING:
    from services.config import Settings
    from services.sandbox.base import SandboxProvider


async def open_sandbox(settings: Settings) -> SandboxProvider:
    """The sandbox that the settings choose, ready for sessions.

    Raises:
        SandboxUnavailable: it could not be opened, or would not isolate.
    """
    return await open_provider(
        settings.sandbox,
        image=settings.sandbox_image,
        runtime=settings.sandbox_runtime,
        allow_unisolated=settings.allow_unisolated_sandbox,
        limits=Limits(),
        # The workers of one machine share its cores.
        guests=max(1, (os.cpu_count() or 1) // settings.workers),
    )
