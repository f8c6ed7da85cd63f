"""Whatever a program can make the guest read or reap has a meaning, and none of it raises."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.sandbox.guest import protocol, step
from services.sandbox.guest.deaths import Death, KernelKills
from services.sandbox.guest.life import MAX_PACKET_BYTES, TOKEN_BYTES
from services.sandbox.guest.protocol import Op, Reply, Request, decode, encode, frame_length
from services.sandbox.guest.run import Run, receive
from services.sandbox.guest.shelf import State
from services.sandbox.guest.shortening import Printed

CPU_LIMIT = 5.0
LONGEST_MESSAGE, LONGEST_VALUE = 1000, 32768

texts = st.text() | st.integers(0, 3000).map(lambda count: "é" * count)
forged_reports = st.builds(
    step.Report,
    outcome=st.sampled_from([step.OK, step.RAISED, step.OUT_OF_MEMORY, step.TIMED_OUT, "", "?"]),
    value=texts,
    exception_type=texts,
    exception_message=texts,
).map(step.pack)
packets = (
    st.binary(max_size=300)
    | forged_reports
    | st.tuples(forged_reports, st.integers(0, 200)).map(lambda cut: cut[0][: cut[1]])
    | st.tuples(forged_reports, st.binary(max_size=9)).map(b"".join)
)


@contextmanager
def running() -> Iterator[tuple[Run, socket.socket]]:
    """A step that waits for a report, and the end of its channel that programs have."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    near.setblocking(False)
    request = Request(1, Op.RUN)
    with near, far:
        yield Run(request, State((1, 1), 1, near), near, -1, 0.0, Printed(2000)), far


@given(status=st.integers(0, 0xFFFF), cpu=st.floats(0, 9), kernel=st.booleans())
@example(status=35, cpu=0.0, kernel=False)
@example(status=64, cpu=0.0, kernel=False)
@example(status=35 | 0x80, cpu=0.0, kernel=True)
@example(status=0x7F, cpu=0.0, kernel=False)
def test_every_wait_status_is_told_and_blames_a_limit_only_on_evidence(
    status: int, cpu: float, kernel: bool
) -> None:
    death = Death(1, status, cpu)
    report = death.report(cpu_limit=CPU_LIMIT, kernel_kills=kernel)
    by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    expected = step.RAISED
    if by_signal == signal.SIGXCPU and cpu >= CPU_LIMIT:
        expected = step.TIMED_OUT
    if by_signal == signal.SIGKILL and kernel:
        expected = step.OUT_OF_MEMORY
    assert report.outcome == expected
    assert report.exception_message


@pytest.mark.parametrize("number", [signal.SIGRTMIN + 1, signal.SIGRTMAX, signal.SIGXCPU])
def test_a_process_that_ends_itself_by_a_signal_has_crashed(number: int) -> None:
    pid = os.fork()
    if not pid:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(0)
    _, status, used = os.wait4(pid, 0)
    death = Death(pid, status, used.ru_utime)
    assert death.signal == number
    report = death.report(cpu_limit=CPU_LIMIT, kernel_kills=True)
    assert (report.outcome, report.exception_type) == (step.RAISED, "ProcessDied")


@given(packet=packets)
@example(packet=b"")
@example(packet=step.pack(step.Report(step.RAISED, "", "E" * 150_000, "m" * 4000)))
@example(packet=b"\xff" * 100)
def test_every_packet_is_a_bounded_report_or_none(packet: bytes) -> None:
    with running() as (run, far):
        far.send(run.token + packet)
        received, sender = receive(run.channel)
        assert sender == os.getpid()
        report = run.read_report(received)
        if report is None:
            return
        assert len(report.exception_type) <= LONGEST_MESSAGE
        assert len(report.exception_message) <= LONGEST_MESSAGE
        assert len(report.value) <= LONGEST_VALUE
        frame = encode(run.reply(report, 0.1, 2000))
        assert frame_length(frame[: protocol.HEADER.size]) == len(frame) - protocol.HEADER.size
        assert decode(frame[protocol.HEADER.size :], Reply).outcome == report.outcome


@given(packet=st.binary(min_size=1, max_size=3 * TOKEN_BYTES))
def test_a_packet_without_the_token_is_no_report(packet: bytes) -> None:
    with running() as (run, _):
        assert run.read_report(packet) is None


def test_descriptors_that_a_program_sends_do_not_arrive() -> None:
    with running() as (run, far):
        before = _open_descriptors()
        socket.send_fds(far, [b"x"], [0] * 32)
        packet, sender = receive(run.channel)
        assert (packet, sender) == (b"x", os.getpid())
        assert _open_descriptors() == before


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_packet_that_is_too_long_is_cut_and_then_no_report() -> None:
    with running() as (run, far):
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MAX_PACKET_BYTES)
        report = step.pack(step.Report(step.OK, "v" * 2 * MAX_PACKET_BYTES))
        far.send(run.token + report)
        packet, _ = receive(run.channel)
        assert len(packet) == MAX_PACKET_BYTES
        assert run.read_report(packet) is None


@pytest.mark.parametrize("text", ["", "oom_kill\n", "oom_kill x\n", "nr_free 3\n"])
def test_a_kernel_that_does_not_count_its_kills_is_no_evidence(text: str, tmp_path: Path) -> None:
    source = tmp_path / "vmstat"
    source.write_text(text)
    assert not KernelKills(str(source)).any_new()


def test_a_kill_of_the_kernel_is_evidence_once(tmp_path: Path) -> None:
    source = tmp_path / "vmstat"
    source.write_text("nr_free 3\noom_kill 7\n")
    kills = KernelKills(str(source))
    source.write_text("nr_free 3\noom_kill 8\n")
    assert [kills.any_new(), kills.any_new()] == [True, False]
