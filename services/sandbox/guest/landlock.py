"""Takes the right to change any file from this process and its children, without any privilege.

It is the last line: where mounts are read-only already it changes nothing, and where no namespace
could be had it is what keeps programs from the disk. Needs Linux 5.13 and no_new_privs.
Source: include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import os
import struct

from .linux import landlock_add_path, landlock_create, landlock_enforce, landlock_version

_WRITE_FILE = 1 << 1
_REMOVE_AND_MAKE = 0b1_1111_1111 << 4
_REFER = 1 << 13
_TRUNCATE = 1 << 14

_WRITABLE = ("/dev/null", "/proc")
"""What programs write to in good faith, and what a process tells the kernel of itself."""


def forbid_writing() -> None:
    """Refuse every change of files from now on. Raises OSError where the kernel cannot."""
    version = landlock_version()
    handled = _WRITE_FILE | _REMOVE_AND_MAKE
    handled |= _REFER if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    rules = landlock_create(struct.pack("Q", handled))
    try:
        for path in _WRITABLE:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
            landlock_add_path(rules, struct.pack("=Qi", _WRITE_FILE, opened))
            os.close(opened)
        landlock_enforce(rules)
    finally:
        os.close(rules)
