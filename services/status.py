"""What runs, where, and how well programs are isolated: the facts behind `stepforge status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from db.session import display_url
from services.errors import SandboxUnavailable
from services.rollouts.sandboxes import open_sandbox

if TYPE_CHECKING:
    from services.config import Settings
    from services.embedded.engines import Engines


@dataclass(frozen=True, slots=True)
class EngineState:
    name: str
    running: bool
    state: str
    where: str


async def engine_states(engines: Engines) -> list[EngineState]:
    """One line for each engine. Starts none, except for a moment the sandbox to look at it."""
    settings, home = engines.settings, engines.home
    running = engines.running()
    external = {
        "postgres": settings.database_url,
        "broker": settings.broker_url,
        "model server": settings.policy_url,
    }
    embedded = {
        "postgres": str(home.postgres),
        "broker": str(home.broker),
        "model server": str(home.logs / "model-server.log"),
    }
    states = []
    for name, runs in running.items():
        if external.get(name):
            states.append(EngineState(name, True, "external", display_url(external[name])))
        else:
            where = embedded.get(name, str(home.logs / f"{name}.log"))
            states.append(EngineState(name, runs, "running" if runs else "stopped", where))
    states.append(await sandbox_state(settings))
    return states


async def sandbox_state(settings: Settings) -> EngineState:
    """Which provider would run programs here, and what it keeps them from."""
    try:
        provider = await open_sandbox(settings)
    except SandboxUnavailable as error:
        return EngineState("sandbox", False, "unavailable", str(error))
    isolation = provider.isolation
    await provider.close()
    enforced = ", ".join(isolation.enforced)
    missing = f"; not enforced: {', '.join(isolation.missing)}" if isolation.missing else ""
    return EngineState("sandbox", True, isolation.provider, f"{enforced}{missing}")
