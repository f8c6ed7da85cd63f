"""The provider for production: guests in hardened containers that live as long as the worker.

A container has no network, no capabilities, no root, nothing to write to, and a share of memory,
processes and processor. The guest is its first process and ends when the worker lets go of its
standard input, so a worker that is killed leaves no container behind. Every call to the engine
runs in a thread; the guest's stream is read by the event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from services.errors import SandboxUnavailable
from services.sandbox.base import Limits
from services.sandbox.guest import protocol
from services.sandbox.launch import GUEST_ENVIRONMENT, GUEST_FLAGS, fresh_user
from services.sandbox.pool import GUEST_STATES, PLAIN_BYTES, STATE_BYTES, GuestPool, guest_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from docker import DockerClient

    from services.sandbox.channel import Transport

    _T = TypeVar("_T")

IMAGE = "stepforge-sandbox:latest"
WORKER_LABEL = "stepforge.worker"
"""Label of every container; its value says whose it is."""

_GUEST = "/opt/stepforge/guest/__main__.py"
_CALL_SECONDS = 60
_WARM_BYTES = 256 * 1024 * 1024
_NANO_CPUS = 1_000_000_000
_WORDS_BYTES = 4096

_PART = struct.Struct(">BxxxI")
"""The engine's header before each piece of a container's output: which stream, how long."""
_STANDARD_OUTPUT = 1


def worker_name() -> str:
    """This process, as the value of its containers' label."""
    return f"{socket.gethostname()}:{os.getpid()}"


class DockerSandbox(GuestPool):
    """A `SandboxProvider` over containers of one image; one container for each core by default.

    Without `plain_steps` every step runs in a process of its own, also plain arithmetic.
    """

    def __init__(
        self,
        *,
        image: str = IMAGE,
        runtime: str = "",
        limits: Limits | None = None,
        guests: int | None = None,
        allow_unisolated: bool = False,
        plain_steps: bool = True,
    ) -> None:
        self._reference = image
        self._runtime = runtime
        self._limits = limits or Limits()
        self._plain_steps = plain_steps
        self._digest = ""
        self._client: DockerClient | None = None
        self._engine = asyncio.Lock()
        super().__init__(
            self._start_guest,
            provider=f"docker ({runtime})" if runtime else "docker",
            guests=guests or len(os.sched_getaffinity(0)),
            allow_unisolated=allow_unisolated,
        )

    async def is_available(self) -> bool:
        """Whether an engine answers and has the image."""
        try:
            await self._call(self._find_image)
        except SandboxUnavailable:
            return False
        return True

    async def start(self) -> None:
        """See `SandboxProvider.start`."""
        try:
            self._digest = await self._call(self._find_image)
        except BaseException:
            await self.close()
            raise
        await super().start()

    async def close(self) -> None:
        """See `SandboxProvider.close`."""
        await super().close()
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)

    def _image(self, ready: protocol.Ready) -> str:
        return f"{self._digest} ({ready.version})"

    async def _start_guest(self) -> tuple[Transport, protocol.Settings]:
        settings = guest_settings(
            self._limits, confine=False, user_id=0, plain_steps=self._plain_steps
        )
        container, stream = await self._call(partial(self._run_container, settings))
        end = partial(self._call, partial(self._remove_container, container))
        guest = DockerGuest(end)
        try:
            await guest.open(stream)
        except OSError:
            stream.close()
            await guest.end()
            raise
        return guest, settings

    async def _call(self, work: Callable[[DockerClient], _T]) -> _T:
        """Ask the engine, in a thread. Raises SandboxUnavailable for all that it refuses."""
        try:
            async with self._engine:
                if self._client is None:
                    self._client = await asyncio.to_thread(
                        partial(docker.from_env, timeout=_CALL_SECONDS)
                    )
                return await asyncio.to_thread(work, self._client)
        except ImageNotFound as error:
            raise SandboxUnavailable(
                f"The sandbox image {self._reference} is not there. Build it from"
                " deploy/sandbox/Dockerfile, or with deploy/sandbox/build-from-debian.sh."
            ) from error
        except (DockerException, RequestException, OSError) as error:
            raise SandboxUnavailable(
                f"The Docker engine refused or does not answer: {error}. Start it, or set"
                " STEPFORGE_SANDBOX=local."
            ) from error

    def _find_image(self, client: DockerClient) -> str:
        image = client.images.get(self._reference)
        digests: list[str] = image.attrs.get("RepoDigests") or []
        return digests[0] if digests else str(image.id)

    def _run_container(
        self, settings: protocol.Settings, client: DockerClient
    ) -> tuple[str, socket.socket]:
        """Create a container, attach to it, start it. Returns its id and the stream to it."""
        api = client.api
        user = fresh_user()
        memory = _WARM_BYTES + STATE_BYTES + PLAIN_BYTES + 2 * self._limits.memory_bytes
        host = api.create_host_config(
            network_mode="none",
            ipc_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            pids_limit=2 * GUEST_STATES + self._limits.processes,
            mem_limit=memory,
            memswap_limit=memory,
            nano_cpus=_NANO_CPUS,
            # The one place that stays writable in a read-only container is covered up.
            tmpfs={"/dev/mqueue": "ro,noexec,nosuid,nodev,size=4k"},
            auto_remove=True,
            log_config={"Type": "none"},
            runtime=self._runtime or None,
        )
        created = api.create_container(
            self._reference,
            entrypoint=["python3", *GUEST_FLAGS, _GUEST],
            command=[protocol.to_json(settings)],
            environment=GUEST_ENVIRONMENT,
            user=f"{user}:{user}",
            working_dir="/",
            stdin_open=True,
            network_disabled=True,
            labels={WORKER_LABEL: worker_name()},
            host_config=host,
        )
        container = str(created["Id"])
        try:
            streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            stream = _own_socket(api.attach_socket(container, params=streams))
            api.start(container)
        except BaseException:
            self._remove_container(container, client)
            raise
        return container, stream

    def _remove_container(self, container: str, client: DockerClient) -> None:
        with suppress(APIError, RequestException):
            client.api.remove_container(container, force=True)


class DockerGuest:
    """A `Transport` to a guest in a container, over the engine's attached stream."""

    def __init__(self, end: Callable[[], Awaitable[None]]) -> None:
        self._end = end
        self._reader = asyncio.StreamReader()
        self._writer: asyncio.StreamWriter | None = None
        self._words = bytearray()
        self._splitting: asyncio.Task[None] | None = None

    async def open(self, stream: socket.socket) -> None:
        """Begin to read what the container writes. Raises OSError."""
        if stream.family == socket.AF_UNIX:
            combined, self._writer = await asyncio.open_unix_connection(sock=stream)
        else:
            combined, self._writer = await asyncio.open_connection(sock=stream)
        self._splitting = asyncio.create_task(self._split(combined))

    @property
    def reader(self) -> asyncio.StreamReader:
        return self._reader

    async def write(self, data: bytes) -> None:
        """See `Transport.write`."""
        if self._writer is None:
            raise OSError("The stream to the container is closed.")
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """See `Transport.end`."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        writer.close()
        with suppress(SandboxUnavailable):
            await self._end()
        if self._splitting is not None:
            await self._splitting

    def last_words(self) -> str:
        """See `Transport.last_words`."""
        return self._words.decode("utf-8", "replace").strip()

    async def _split(self, combined: asyncio.StreamReader) -> None:
        """Tell the guest's frames from its last words."""
        with suppress(EOFError, OSError):
            while True:
                stream, length = _PART.unpack(await combined.readexactly(_PART.size))
                piece = await combined.readexactly(length)
                if stream == _STANDARD_OUTPUT:
                    self._reader.feed_data(piece)
                else:
                    self._words += piece
                    del self._words[:-_WORDS_BYTES]
        self._reader.feed_eof()


def _own_socket(attached: object) -> socket.socket:
    """The connection under what the engine's client hands out, as a socket of our own.

    Raises:
        SandboxUnavailable: the engine is reached over TLS or SSH, whose streams cannot be taken.
    """
    raw = getattr(attached, "_sock", attached)
    if type(raw) is not socket.socket:
        raise SandboxUnavailable(
            f"The Docker engine is reached through a {type(raw).__name__}, over which no guest"
            " can be attached. Use a unix socket or plain TCP in DOCKER_HOST."
        )
    own = raw.dup()
    own.setblocking(False)
    raw.close()
    return own
