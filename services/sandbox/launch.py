"""How a guest's interpreter is started, the same on the host and in a container."""

from __future__ import annotations

import secrets

GUEST_FLAGS = ("-B", "-s", "-P", "-X", "utf8", "-W", "ignore")
"""The guest's interpreter writes no bytecode, finds no modules of a user, prints no warnings."""

GUEST_ENVIRONMENT = {
    # One thread each: a fork carries one over, and steps do not compete for processors.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # Arenas for threads would count as address space that nobody uses.
    "MALLOC_ARENA_MAX": "1",
    # Sets keep their order when a state is made again.
    "PYTHONHASHSEED": "0",
}

_FIRST_USER, _USERS = 1 << 20, 1 << 29


def fresh_user() -> int:
    """A user id that nobody has: the kernel counts processes by user, and guests must not share."""
    return _FIRST_USER + secrets.randbelow(_USERS)
