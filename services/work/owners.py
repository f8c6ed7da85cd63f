"""Who holds a lease: a name that any process of the same machine can look up."""

from __future__ import annotations

import os
import socket

import psutil


def owner_name() -> str:
    """This process in the leases: host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_dead(owner: str) -> bool:
    """Whether the owner of a lease is a process of this machine that no longer runs."""
    host, _, pid = owner.partition(":")
    return host == socket.gethostname() and pid.isdigit() and not _works(int(pid))


def _works(pid: int) -> bool:
    try:
        return pid == os.getpid() or psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
