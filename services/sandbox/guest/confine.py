"""Puts the process into a world of its own: processes, network, files, user, system calls.

Each measure is tried by itself, and none is believed because it was tried: `facts` looks at what
the process now is. Order matters. Namespaces and the new root need privileges, the warm imports
need files, and what is dropped does not come back: `isolate`, imports, `drop_privileges`.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import landlock, linux, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMESPACES = (
    linux.CLONE_NEWPID
    | linux.CLONE_NEWNS
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
)
_NEW_ROOT = "/tmp"  # noqa: S108 - a mount point that every system has, in our own mount namespace
_SHORT_NAMES = ("/bin", "/lib", "/lib32", "/lib64", "/sbin")
"""Links to folders below /usr on most systems; the loader looks libraries up by them."""
_PLACES = ("/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run")  # noqa: S108
_OTHERS_MAY_ENTER = 0o001


def isolate(shown: Iterable[str]) -> bool:
    """Move into new namespaces and a root that holds these files and folders, read-only.

    The process that returns is process 1 of its own tree where the kernel allows that; the one
    that called waits for it and ends as it ends. Says whether all of that succeeded.
    """
    user, group = os.getuid(), os.getgid()
    try:
        linux.unshare(_NAMESPACES if user == 0 else _NAMESPACES | linux.CLONE_NEWUSER)
    except OSError:
        return False
    # At once, whatever else fails: the next process to be forked is the first of the new tree.
    _become_first_process()
    try:
        if user != 0:
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        _take_own_root(shown)
    except OSError:
        return False
    return True


def drop_privileges(user_id: int, *, own_root: bool) -> bool:
    """Become `user_id` where this is root, and give up all that could undo the confinement.

    Without a root of its own the guest stays who it is where the interpreter's folders are closed
    to others: modules are still to be loaded from there. Says whether the system call filter is in
    force: a container may have put another one there.
    """
    if user_id and os.getuid() == 0 and (own_root or _interpreter_is_open()):
        with suppress(OSError):
            os.setgroups([])
            os.setresgid(user_id, user_id, user_id)
            os.setresuid(user_id, user_id, user_id)
    with suppress(OSError):
        linux.drop_capabilities()
    with suppress(OSError):
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    # A change of user clears the wish to die with the parent, so it is stated after that.
    with suppress(OSError):
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        # Nobody of the same user may look into its memory or take its descriptors.
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    with suppress(OSError):
        landlock.forbid_writing()
    try:
        seccomp.install(seccomp.GUEST)
    except OSError:
        return False
    return True


def facts(*, own_root: bool, filtered: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the process finds enforced on itself, and what not, in the words users are shown.

    `own_root` says whether the files in sight are those of a container or of our own root,
    `filtered` whether the filter was put in force.
    """
    status = _status()
    found = {
        "no network": _has_no_network(),
        "nothing to write to": not any(_can_write(place) for place in _PLACES),
        "no sight of the host's files": own_root,
        "own process tree": os.getpid() == 1,
        "no sight of other programs": landlock.can_forbid(),
        "unprivileged user": os.getuid() != 0 and os.geteuid() != 0,
        "no capabilities": int(status.get("CapEff", "1"), 16) == 0,
        "no new privileges": status.get("NoNewPrivs") == "1",
        "system call filter": filtered and status.get("Seccomp") == "2",
    }
    return (
        tuple(name for name, holds in found.items() if holds),
        tuple(name for name, holds in found.items() if not holds),
    )


def _become_first_process() -> None:
    """Go on in a child, the first process of the new tree, while this process waits for it."""
    child = os.fork()
    if child == 0:
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        return
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    os.closerange(3, 256)
    _, ended = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(ended) & 0xFF)


def _take_own_root(shown: Iterable[str]) -> None:
    """A root of bind mounts, and of /proc, which the warden reads."""
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    paths = _outermost(set(shown))
    opened_paths = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path in paths]
    links = [(path, path.readlink()) for path in map(Path, _SHORT_NAMES) if path.is_symlink()]
    linux.mount("tmpfs", _NEW_ROOT, "tmpfs", linux.MS_NOSUID, "size=1m,mode=755")
    for path, leads_to in links:
        Path(f"{_NEW_ROOT}{path}").symlink_to(leads_to)
    for name, opened in zip(paths, opened_paths, strict=True):
        _show(name, opened)
        os.close(opened)
    Path(f"{_NEW_ROOT}/proc").mkdir()
    linux.make_read_only(_NEW_ROOT)
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    linux.mount("proc", f"{_NEW_ROOT}/proc", "proc", flags)
    linux.enter_root(_NEW_ROOT)


def _show(path: str, opened: int) -> None:
    """Mount a file or folder of the old root at the same place below the new one."""
    # By descriptor: the path itself may lie below the mount point of the new root.
    source, place = Path(f"/proc/self/fd/{opened}"), Path(f"{_NEW_ROOT}{path}")
    place.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()
    linux.mount(str(source), str(place), "", linux.MS_BIND | linux.MS_REC)


def _interpreter_folders() -> set[str]:
    """Where modules come from, by the names they are looked up by and by their real ones."""
    named = {sys.prefix, sys.base_prefix, *sys.path}
    return {name for path in named if path for name in (path, str(Path(path).resolve()))}


def _interpreter_is_open() -> bool:
    """Whether any user may read the folders that modules come from."""
    folders = [Path(path) for path in _interpreter_folders() if Path(path).is_dir()]
    on_the_way = {parent for folder in folders for parent in (folder, *folder.parents)}
    return all(folder.stat().st_mode & _OTHERS_MAY_ENTER for folder in on_the_way)


def _outermost(paths: set[str]) -> list[str]:
    """The paths that exist and do not lie below another one."""
    kept: list[str] = []
    for path in sorted(paths):
        below = any(path.startswith(f"{other}/") for other in kept)
        if path.startswith("/") and not below and Path(path).exists():
            kept.append(path)
    return kept


def _can_write(folder: str) -> bool:
    """Whether a file can be made there; asking for permission would not see every wall."""
    probe = Path(folder, f".stepforge-{os.getpid()}")
    try:
        probe.touch(exist_ok=False)
    except OSError:
        return False
    probe.unlink()
    return True


def _has_no_network() -> bool:
    """Whether no interface but the loopback exists, or no socket can be made anyway."""
    import socket

    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return True
    return {name for _, name in socket.if_nameindex()} <= {"lo"}


def _status() -> dict[str, str]:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
