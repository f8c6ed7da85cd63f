"""How the threads of a numeric library wait, where several processes share a machine's cores."""

from __future__ import annotations

import os

SPINS = "20000"
"""Tens of microseconds: longer than the gaps between a model's layers, far shorter than a slice of
the scheduler."""


def share_cores() -> None:
    """Let waiting OpenMP threads spin briefly, then sleep.

    GNU OpenMP's default is to spin for milliseconds, which on a busy machine keeps the cores from
    the very threads that are waited for. What the environment sets already is kept. To be called
    before torch is imported: the library reads this once.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
