"""What the local and the scripted model server share: JSON in, JSON or a sentence out."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from services.errors import EngineUnavailable, ModelError
from services.frozen import first_fault
from services.inference.local_jobs import RequestRefused
from services.inference.openai_api import ErrorAnswer, ErrorDetail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024 * 1024
PORT_VARIABLE = "STEPFORGE_MODEL_PORT"

Body = TypeVar("Body", bound=BaseModel)


def make_json_app() -> web.Application:
    """An application whose errors are JSON with a status."""
    return web.Application(client_max_size=LARGEST_BODY, middlewares=[_errors_as_json])


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """The request's body.

    Raises:
        RequestRefused: it is not JSON, or a field is wrong; says which.
    """
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        fault = first_fault(error, whole="body")
        raise RequestRefused(f"The request is wrong: {fault}.") from error


def json_answer(answer: BaseModel, status: int = 200) -> web.Response:
    """An answer of the API."""
    return web.Response(
        text=answer.model_dump_json(), status=status, content_type="application/json"
    )


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The boundary of a request: every error becomes a status and a sentence."""
    try:
        return await handler(request)
    except RequestRefused as error:
        status, message = 400, str(error)
    except ModelError as error:
        status, message = 404, str(error)
    except EngineUnavailable as error:
        status, message = 503, str(error)
    except web.HTTPException as error:
        status, message = error.status, error.reason
    except Exception as error:
        log.exception("%s %s failed", request.method, request.path)
        status, message = 500, f"The model failed: {error}. The server's log has the details."
    reason = web.Response(status=status).reason
    detail = ErrorDetail(message=message, type=reason, code=status)
    return json_answer(ErrorAnswer(error=detail), status)


async def serve(
    app: web.Application, *, address: str, port: int, port_file: Path | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; write the port to `port_file` once connections are taken.

    Raises:
        EngineUnavailable: the port is taken.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        if port_file is not None:
            _write_port(port_file, runner.addresses[0][1])
        await stopped.wait()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise EngineUnavailable(
            f"Port {port} on {address} is taken. Set {PORT_VARIABLE} to a free port, "
            "or to 0 to take any."
        ) from error
    finally:
        await runner.cleanup()


def _write_port(path: Path, port: int) -> None:
    """All of the file or none of it, so that a reader never sees half a number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    partial.write_text(f"{port}\n", encoding="ascii")
    partial.replace(path)
