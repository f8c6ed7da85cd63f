"""Programs that mean harm, and what must become of them; each provider of processes is held to it.

`FAIL` ones must not be recorded as success. `SURVIVE` ones do nothing that is forbidden in
their own time, so they are ok, but what they leave behind must be gone before the next step.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from db.vocabulary import Outcome
from services.sandbox.base import ROOT_STATE
from services.sandbox.guest.protocol import PATIENCE

if TYPE_CHECKING:
    from services.sandbox.base import Execution, Limits, SandboxSession
    from tests.unit.sandbox.living import Count

GRACE_SECONDS = 0.5

SETTLING_SECONDS = 5.0

CHILD_SECONDS = 8.0
"""What it may take to find out, twice and on a busy machine, that a state cannot go on."""
_LOOK_AGAIN_SECONDS = 0.02

AT_REST = 3
"""The warden, the root state, and the state from which the program starts."""

FAIL: dict[str, tuple[str, Outcome, str]] = {
    "busy loop": ("while True: pass", Outcome.TIMED_OUT, ""),
    "sleep": ("import time; time.sleep(60)", Outcome.TIMED_OUT, ""),
    "endless output": ("while True: print('x' * 100)", Outcome.TIMED_OUT, ""),
    "endless raw output": (
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        Outcome.TIMED_OUT,
        "",
    ),
    "memory bomb": ("x = []\nwhile True: x.append(bytearray(10**7))", Outcome.OUT_OF_MEMORY, ""),
    "one huge number": ("x = 10 ** (10 ** 10)", Outcome.TIMED_OUT, ""),
    "huge array": ("import numpy\nnumpy.ones(10**9)", Outcome.OUT_OF_MEMORY, ""),
    "fork bomb": ("import os\nwhile True:\n    os.fork()", Outcome.RAISED, "BlockingIOError"),
    "patient fork bomb": (
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
        Outcome.TIMED_OUT,
        "",
    ),
    "thread bomb": (
        "import threading, time\nwhile True:\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        Outcome.RAISED,
        "RuntimeError",
    ),
    "disk filling": ("open('/x', 'w')", Outcome.RAISED, "OSError"),
    "shared memory filling": ("open('/dev/shm/x', 'w').write('x')", Outcome.RAISED, "*"),
    "memory files": ("import os\nos.memfd_create('x')", Outcome.RAISED, "PermissionError"),
    "socket": ("import socket\nsocket.socket()", Outcome.RAISED, "PermissionError"),
    "download": (
        "import urllib.request\nurllib.request.urlopen('http://127.0.0.1/')",
        Outcome.RAISED,
        "URLError",
    ),
    "other program": (
        "import subprocess\nsubprocess.run(['/bin/sh', '-c', 'echo'], check=True)",
        Outcome.RAISED,
        "*",
    ),
    "exit with a failure": ("import sys\nsys.exit(3)", Outcome.RAISED, "SystemExit"),
    "exit with a code that pretends": (
        "class Zero(int):\n    def __eq__(self, other): return True\n"
        "class Done(SystemExit):\n    code = None\nraise Done(Zero(7))",
        Outcome.RAISED,
        "Done",
    ),
    "hard exit": ("import os\nos._exit(0)", Outcome.RAISED, "ProcessDied"),
    "segmentation fault": ("import ctypes\nctypes.string_at(0)", Outcome.RAISED, "ProcessDied"),
    "abort": ("import os\nos.abort()", Outcome.RAISED, "ProcessDied"),
    "killing everybody": ("import os\nos.kill(-1, 9)", Outcome.RAISED, "PermissionError"),
    "killing the guest": ("import os\nos.kill(1, 9)", Outcome.RAISED, "PermissionError"),
    "stopping itself": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
        Outcome.RAISED,
        "PermissionError",
    ),
    "raising its limits": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        Outcome.RAISED,
        "*",
    ),
    "showing its memory": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.prctl(4, 1, 0, 0, 0) < 0: raise OSError(ctypes.get_errno(), 'prctl')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "renicing others": ("import os\nos.setpriority(0, 1, 19)", Outcome.RAISED, "PermissionError"),
    "leaving its session": ("import os\nos.setsid()", Outcome.RAISED, "PermissionError"),
    "closing every descriptor": ("import os\nos.closerange(0, 64)", Outcome.RAISED, "ProcessDied"),
    "closing and staying": (
        "import os\nos.closerange(0, 64)\nwhile True: pass",
        Outcome.RAISED,
        "ProcessDied",
    ),
    "deep recursion": ("def f(n): return f(n + 1)\nf(0)", Outcome.RAISED, "RecursionError"),
    "bottomless recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n"
        "    def __str__(self): return str(self)\nstr(A())",
        Outcome.RAISED,
        "ProcessDied",
    ),
    "exception without a text": (
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        Outcome.RAISED,
        "E",
    ),
    "exception with an endless text": (
        "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E",
        Outcome.TIMED_OUT,
        "",
    ),
    "value without a repr": (
        "class V:\n    def __repr__(self): raise KeyError('no')\nV()",
        Outcome.RAISED,
        "KeyError",
    ),
    "reading the guest's memory": ("open('/proc/1/mem', 'rb')", Outcome.RAISED, "PermissionError"),
    "reading the guest's descriptors": (
        "import os\nos.listdir('/proc/1/fd')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "reading a sibling's memory": (
        "import os\nopen(f'/proc/{os.getpid() - 1}/mem', 'rb')",
        Outcome.RAISED,
        "*",
    ),
    "tracing the guest": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.ptrace(16, 1, 0, 0) < 0: raise OSError(ctypes.get_errno(), 'ptrace')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "forged reports": (
        "import os\nreport = b'0' * 16 + bytes(3) + b'\\x02ok' + bytes(12)\n"
        "for fd in range(3, 64):\n    try: os.write(fd, report)\n    except OSError: pass\n"
        "while True: pass",
        Outcome.RAISED,
        "ProcessDied",
    ),
    "a report and then work": (
        "import os\nos.write(3, b'hello')\nwhile True: pass",
        Outcome.RAISED,
        "ProcessDied",
    ),
    "null bytes": ("x = 1\0", Outcome.RAISED, "*"),
    "lone surrogates": ("x = '\ud800'", Outcome.RAISED, "UnicodeEncodeError"),
    "deep nesting": ("(" * 5000 + ")" * 5000, Outcome.RAISED, "*"),
    "keyboard interrupt": ("raise KeyboardInterrupt", Outcome.RAISED, "KeyboardInterrupt"),
    "exception group": (
        "raise BaseExceptionGroup('g', [SystemExit(0)])",
        Outcome.RAISED,
        "BaseExceptionGroup",
    ),
    "import hook": (
        "import sys\nclass Hook:\n    def find_spec(self, *_): raise SystemExit(1)\n"
        "sys.meta_path.insert(0, Hook())\nimport there_is_none",
        Outcome.RAISED,
        "SystemExit",
    ),
    "patched import": (
        "import builtins\ndef stop(*_): raise GeneratorExit\n"
        "builtins.__import__ = stop\nimport abc",
        Outcome.RAISED,
        "GeneratorExit",
    ),
    "deaf to signals": (
        "import signal, time\nfor number in range(1, 65):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: time.sleep(1)",
        Outcome.TIMED_OUT,
        "",
    ),
    "reading the host's secrets": ("open('/etc/shadow').read()", Outcome.RAISED, "*"),
    "reading the guest's environment": (
        "open('/proc/1/environ', 'rb').read()",
        Outcome.RAISED,
        "PermissionError",
    ),
    "becoming root": ("import os\nos.setuid(0)", Outcome.RAISED, "PermissionError"),
    "new namespaces": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.unshare(0x10000000) < 0: raise OSError(ctypes.get_errno(), 'unshare')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "mounting": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.mount(b'none', b'/proc', b'tmpfs', 0, None) < 0:\n"
        "    raise OSError(ctypes.get_errno(), 'mount')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "renaming the guest's code": (
        "import os, sympy\nfolder = os.path.dirname(sympy.__file__)\n"
        "os.rename(folder, folder + '2')",
        Outcome.RAISED,
        "*",
    ),
    "cyclic exception": (
        "a, b = ValueError(1), ValueError(2)\na.__cause__, b.__cause__ = b, a\nraise a",
        Outcome.RAISED,
        "ValueError",
    ),
    **{
        f"a child whose end is signal {number} to its parent": (
            "import ctypes, os, platform, time\nlibc = ctypes.CDLL(None, use_errno=True)\n"
            "clone = {'x86_64': 56, 'aarch64': 220}[platform.machine()]\n"
            f"pid = libc.syscall(clone, {number}, 0, 0, 0, 0)\n"
            "if pid < 0: raise OSError(ctypes.get_errno(), 'clone')\n"
            "if not pid: os._exit(0)\ntime.sleep(60)",
            Outcome.RAISED,
            "PermissionError",
        )
        for number in (9, 24, 35, 64)
    },
    "a filter that kills": (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "if libc.prctl(22, 1) < 0: raise OSError(ctypes.get_errno(), 'prctl')\n"
        "open('/dev/null')",
        Outcome.RAISED,
        "PermissionError",
    ),
    "larger buffers of sockets": (
        "import socket\none, other = socket.socketpair()\n"
        "one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**22)",
        Outcome.RAISED,
        "PermissionError",
    ),
    "larger pipes": (
        "import fcntl, os\nfcntl.fcntl(os.pipe()[1], fcntl.F_SETPIPE_SZ, 2**20)",
        Outcome.RAISED,
        "PermissionError",
    ),
    "an import lock that a thread holds": (
        "import _imp, threading, time\nheld = threading.Event()\n"
        "def hold():\n    _imp.acquire_lock(), held.set(), time.sleep(60)\n"
        "threading.Thread(target=hold, daemon=True).start()\nheld.wait()",
        Outcome.TIMED_OUT,
        "",
    ),
    "quadratic text": ("x = 'a' * 10**9 * 10**9", Outcome.OUT_OF_MEMORY, ""),
}

SURVIVE: dict[str, str] = {
    "exit": "import sys\nsys.exit(0)",
    "patched print": "import builtins\nbuiltins.print = None\nbuiltins.len = None",
    "patched everything": (
        "import builtins\nremove = delattr\nfor name in list(vars(builtins)):\n"
        "    if not name.startswith('_'): remove(builtins, name)"
    ),
    "patched os": (
        "import os, signal\nfor module in (os, signal):\n    for name in list(vars(module)):\n"
        "        if not name.startswith('_'): delattr(module, name)"
    ),
    "leftover thread": (
        "import threading\ndef spin():\n    while True: pass\n"
        "threading.Thread(target=spin, daemon=True).start()"
    ),
    "leftover child": "import os, time\nif not os.fork(): time.sleep(60)",
    "leftover busy child": "import os\nif not os.fork():\n    while True: pass",
    "orphan": (
        "import os, time\nif not os.fork():\n    if not os.fork(): time.sleep(60)\n"
        "    os._exit(0)\nos.wait()"
    ),
    "child that runs to the end": "import os\nos.fork()",
    "child of the warden": (
        "import ctypes, platform, time\n"
        "clone = {'x86_64': 56, 'aarch64': 220}[platform.machine()]\n"
        "if not ctypes.CDLL(None).syscall(clone, 0x8000 | 17, 0, 0, 0, 0): time.sleep(60)"
    ),
    "disowned orphan": (
        "import ctypes, os, time\nctypes.CDLL(None).prctl(36, 0)\nif not os.fork():\n"
        "    if not os.fork(): time.sleep(60)\n    os._exit(0)\nos.wait()"
    ),
    "alarm": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\n"
    "signal.signal(signal.SIGALRM, lambda *_: None)",
    "trace function": "import sys\nsys.settrace(lambda *_: 1 / 0)",
    "closed output": "import sys\nsys.stdout.close()",
    "replaced output": "import sys\nsys.stdout = sys.stderr = None",
    "ignored signals": (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
    ),
    "no modules": "import sys\nsys.modules.clear()",
    "environment": "import os\nassert not os.environ, os.environ",
    **{
        f"a fork hook that {name}": f"import os, time\nos.register_at_fork({hook})"
        for name, hook in {
            "sleeps": "before=lambda: time.sleep(60)",
            "computes": "before=lambda: [0 for _ in iter(int, 1)]",
            "raises": "before=lambda: 1 / 0, after_in_child=lambda: exit(1)",
            "exits": "before=lambda: os._exit(0)",
            "says that there is no fork": "before=lambda: os.write(3, b'no fork')",
            "says no fork and sleeps": "before=lambda: (os.write(3, b'no fork'), time.sleep(60))",
            "talks": "before=lambda: os.write(3, b'hello')",
            "exits in the child": "after_in_child=lambda: os._exit(0)",
            "sleeps in the child": "after_in_child=lambda: time.sleep(60)",
            "ends the parent": "after_in_parent=lambda: os._exit(0)",
            "keeps the parent": "after_in_parent=lambda: time.sleep(60)",
            "takes memory": "after_in_parent=lambda: print([b'x' * 2**24 for _ in range(99)])",
            "takes children": "after_in_parent=lambda: os.fork() or time.sleep(60)",
        }.items()
    },
    "a state that is there once": (
        "import os\nforks = []\n"
        "os.register_at_fork(before=lambda: forks.append(1) or len(forks) > 1 and os._exit(0))"
    ),
    "a lock that a thread holds": (
        "import threading, time\nmine, held = threading.Lock(), threading.Event()\n"
        "def hold():\n    mine.acquire(), held.set(), time.sleep(60)\n"
        "threading.Thread(target=hold, daemon=True).start()\nheld.wait()"
    ),
    "exit hooks": "import atexit\natexit.register(print, 'gone')",
}


async def examine(session: SandboxSession, name: str, limits: Limits, *, count: Count) -> str:
    """Run one of the programs beside a sibling. Says what got out; empty where it was contained.

    `count` counts the processes of the provider, which has one guest.
    """
    # The import gives the parent a process of its own, which the program can attack.
    parent, _ = await session.execute("import sys\nkept = 7", parent=ROOT_STATE)
    code = FAIL[name][0] if name in FAIL else SURVIVE[name]
    started = time.monotonic()
    state, execution = await session.execute(code, parent=parent)
    # A machine that is busy with other work owes a step its time.
    if time.monotonic() - started > PATIENCE * limits.wall_seconds + GRACE_SECONDS:
        return f"it took {time.monotonic() - started:.1f} s"
    wrong = _wrong_end(name, execution)
    expected = AT_REST + (execution.outcome is Outcome.OK)
    counted = await _processes_left(count, expected=expected)
    if not wrong and counted != expected:
        wrong = f"{counted} processes are left, {expected} should be"
    _, sibling = await session.execute("kept", parent=parent)
    if not wrong and sibling.value != "7":
        wrong = f"its sibling got {sibling}"
    if not wrong and name in SURVIVE:
        started = time.monotonic()
        _, child = await session.execute("kept + 1", parent=state)
        if time.monotonic() - started > CHILD_SECONDS:
            wrong = f"the step after it took {time.monotonic() - started:.1f} s"
        if child.value != "8" and child.outcome is not Outcome.RAISED:
            wrong = f"the step after it got {child}"
    return wrong


def _wrong_end(name: str, execution: Execution) -> str:
    outcome, exception_type = FAIL[name][1:] if name in FAIL else (Outcome.OK, "*")
    expected = {exception_type, "MemoryError"}
    if execution.outcome is outcome and ("*" in expected or execution.exception_type in expected):
        return ""
    return f"it ended as {execution}"


async def _processes_left(count: Count, *, expected: int) -> int:
    """The number of processes, counted until it is the expected one: dying takes a moment."""
    deadline = time.monotonic() + SETTLING_SECONDS
    # Nobody tells when a process of another process has ended.
    while (counted := count()) != expected and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return counted
