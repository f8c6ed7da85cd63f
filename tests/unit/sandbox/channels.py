"""Ways in which a step could tell something to a step of another path: none of them may work.

Each is three programs. `before` runs first and makes what both of the others start from; `tells` is
one child of it and `hears` another, which must see the same whether `tells` has run or not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Channel:
    tells: str
    hears: str
    """Prints what it found, or raises where it may not look."""
    before: str = "import ctypes, fcntl, glob, mmap, os, select, socket, sys, time"


_START = Channel.__dataclass_fields__["before"].default

CHANNELS: dict[str, Channel] = {
    "the name of a process": Channel(
        "ctypes.CDLL(None).prctl(15, b'secret')",
        "print(any('secret' in open(path).read() for path in glob.glob('/proc/[0-9]*/comm')))",
    ),
    "the name of a thread": Channel(
        "ctypes.CDLL(None).prctl(15, b'secret')",
        "print(sum('secret' in open(path).read() for path in glob.glob('/proc/*/task/*/stat')))",
    ),
    "the processes in sight": Channel(
        "known = 1",
        "print(len([name for name in os.listdir('/proc') if name.isdigit()]))",
    ),
    "a lock on a shared file": Channel(
        "file = open(os.__file__)\nfcntl.flock(file, fcntl.LOCK_EX)",
        "file = open(os.__file__)\nfcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\nprint('free')",
    ),
    "a lock on a record": Channel(
        "file = open('/dev/null', 'r+b')\nfcntl.lockf(file, fcntl.LOCK_EX)",
        "file = open('/dev/null', 'r+b')\nfcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "print('free')",
    ),
    "an abstract name": Channel(
        "near, far = socket.socketpair()\nnear.bind('\\0secret')",
        "near, far = socket.socketpair()\nnear.bind('\\0secret')\nprint('free')",
    ),
    "a name that the kernel gives": Channel(
        "near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "near.setsockopt(socket.SOL_SOCKET, 16, 1)\nnear.send(b'x')",
        "near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "near.setsockopt(socket.SOL_SOCKET, 16, 1)\nnear.send(b'x')\nprint(near.getsockname())",
    ),
    "a pipe of their parent": Channel(
        "os.write(written, b'secret')",
        "print(os.read(read, 6))",
        f"{_START}\nread, written = os.pipe2(os.O_NONBLOCK)",
    ),
    "the place in a file of their parent": Channel(
        "os.lseek(file.fileno(), 100, os.SEEK_SET)",
        "print(os.lseek(file.fileno(), 0, os.SEEK_CUR))",
        f"{_START}\nfile = open(os.__file__, 'rb', buffering=0)",
    ),
    "the flags of a file of their parent": Channel(
        "fcntl.fcntl(file, fcntl.F_SETFL, os.O_NONBLOCK)",
        "print(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_NONBLOCK)",
        f"{_START}\nfile = open(os.__file__, 'rb', buffering=0)",
    ),
    "a poll of their parent": Channel(
        "poll.unregister(read)",
        "print(poll.poll(0))",
        f"{_START}\nread, written = os.pipe()\nos.write(written, b'x')\n"
        "poll = select.epoll()\npoll.register(read, select.EPOLLIN)",
    ),
    "shared memory of their parent": Channel(
        "memory[0] = 7",
        "print(memory[0])",
        f"{_START}\ntry: memory = mmap.mmap(-1, 10)\nexcept OSError: memory = bytearray(10)",
    ),
    "shared memory of a device": Channel(
        "memory[0] = 7",
        "print(memory[0])",
        f"{_START}\ntry:\n    with open('/dev/zero', 'r+b', buffering=0) as zero:\n"
        "        memory = mmap.mmap(zero.fileno(), 10)\nexcept OSError: memory = bytearray(10)",
    ),
    "the time of a device": Channel(
        "os.utime('/dev/null')",
        "print(os.stat('/dev/null').st_mtime_ns)",
    ),
    "the processor time of a process": Channel(
        "until = time.process_time() + 0.1\nwhile time.process_time() < until: pass",
        "used = [0.0]\nfor pid in range(2, 5000):\n"
        "    try: used.append(time.clock_gettime((~pid << 3) | 2))\n    except OSError: pass\n"
        "print(max(used) > 0.1)",
    ),
    "a terminal": Channel(
        "near, far = os.openpty()",
        "near, far = os.openpty()\nprint(os.ttyname(far))",
    ),
    "the killing order": Channel(
        "try: open('/proc/self/oom_score_adj', 'w').write('777')\nexcept OSError: pass",
        "print(any(open(p).read() == '777\\n' for p in glob.glob('/proc/[0-9]*/oom_score_adj')))",
    ),
}
