"""JSON over HTTP to model servers that may be busy, restarting or broken.

Whatever waiting can cure is tried again with growing pauses until the patience is used up; what
waiting cannot cure fails at once. Either way the error names the server, the model and a remedy.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from services.errors import ConfigurationError, PolicyUnavailable, PromptTooLong
from services.inference.openai_api import CompletionRequest, ErrorAnswer, ModelAnswer
from services.inference.too_long import is_too_long

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from services.inference.openai_api import Wire

Answer = TypeVar("Answer", bound=BaseModel)

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; a server that sends more does not end."""
LONGEST_MESSAGE = 500
"""Characters of a server's own message that an error repeats."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, in seconds."""

    total: float = 300.0
    """No attempt begins later than this after the first."""
    attempt: float = 300.0
    first_pause: float = 0.25
    longest_pause: float = 10.0

    def pause(self, failures: int) -> float:
        """The pause after so many failures: doubled each time, and never quite the same."""
        longest = min(self.longest_pause, self.first_pause * 2.0 ** min(failures - 1, 30))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311


class _TryAgain(Exception):
    """An attempt failed in a way that waiting may cure."""

    def __init__(self, reason: str, *, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class ModelServers:
    """Replicas of one model behind their base URLs, with one pool of connections."""

    def __init__(
        self, urls: Sequence[str], *, model: str, api_key: str, patience: Patience, setting: str
    ) -> None:
        """`setting` is the STEPFORGE_* variable that an error tells the user to check.

        Raises:
            ConfigurationError: there is no URL, or one that is not http or https.
        """
        self._roots = [_root(url.strip(), setting) for url in urls if url.strip()]
        if not self._roots:
            raise ConfigurationError(f"{setting} is empty. Set it to a server's base URL.")
        self._model = model
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._patience = patience
        self._setting = setting
        self._session: aiohttp.ClientSession | None = None
        self._answering = ""
        """Name of the model that answered first: what it is called may differ from how it is asked
        for, but must stay."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Never raises."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(
        self,
        path: str,
        body: Wire | None,
        answer: type[Answer],
        *,
        affinity: int = 0,
        accept: Callable[[Answer], bool] = lambda _: True,
    ) -> Answer:
        """POST a body (or GET without one) and read the answer.

        Calls with equal `affinity` go to the same replica, the next one after each failure. An
        answer that is not of type `answer`, or that `accept` refuses, counts as a failure.

        Raises:
            PromptTooLong: the model's context does not hold the prompt.
            PolicyUnavailable: the patience is used up, or the server refused the request.
        """
        started, failures = time.monotonic(), 0
        while True:
            root = self._roots[(affinity + failures) % len(self._roots)]
            try:
                return await self._attempt(root, path, body, answer, accept)
            except _TryAgain as error:
                failures += 1
                pause = max(error.after, self._patience.pause(failures))
                if time.monotonic() + pause > started + self._patience.total:
                    raise self._unavailable(root, f"{error}, {failures} times") from error
            await asyncio.sleep(pause)

    async def _attempt(
        self,
        root: str,
        path: str,
        body: Wire | None,
        kind: type[Answer],
        accept: Callable[[Answer], bool],
    ) -> Answer:
        session = self._open_session()
        method, data = ("GET", None) if body is None else ("POST", body.model_dump_json())
        try:
            async with session.request(method, root + path, data=data) as response:
                body_read = await _read(response)
        except TimeoutError as error:
            raise _TryAgain("it did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _TryAgain(f"the connection failed ({type(error).__name__}: {error})") from error
        if response.status != HTTPStatus.OK:
            asked_for = body.max_tokens if isinstance(body, CompletionRequest) else 0
            self._refuse(root, response, body_read.decode("utf-8", "replace"), asked_for)
        answer = _parsed(body_read, kind)
        if isinstance(answer, ModelAnswer):
            self._recognise(answer.model)
        if not accept(answer):
            raise _TryAgain("its answer does not fit the request")
        return answer

    def _recognise(self, name: str) -> None:
        """Refuse an answer of another model than before: its steps are not this policy's."""
        if self._answering and name and name != self._answering:
            raise _TryAgain(f"it answers as model {name!r} and before as {self._answering!r}")
        self._answering = self._answering or name

    def _refuse(
        self, root: str, response: aiohttp.ClientResponse, text: str, asked_for: int
    ) -> None:
        """Raise what an answer other than 200 means."""
        reason = f"it answered {response.status}: {_message(text)}"
        if response.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise _TryAgain(reason, after=_retry_after(response))
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _TryAgain(reason, after=_retry_after(response))
        if is_too_long(response.status, text, asked_for=asked_for):
            raise PromptTooLong(
                f"The prompt is too long for model {self._model!r} of {root}: {reason}. "
                "Shorten it, or serve the model with a longer context."
            )
        raise self._unavailable(root, reason)

    def _unavailable(self, root: str, reason: str) -> PolicyUnavailable:
        return PolicyUnavailable(
            f"The model server {root} gave nothing for model {self._model!r}: {reason}. "
            f"Check that it runs and serves this model, and that {self._setting} names it."
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # As many connections as there are requests in flight: the servers do the queueing.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                timeout=aiohttp.ClientTimeout(total=self._patience.attempt, sock_connect=10),
                headers={"Content-Type": "application/json", **self._headers},
            )
        return self._session


def _root(url: str, setting: str) -> str:
    """The URL without the /v1 that OpenAI clients want: /classify lives beside it, not in it."""
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(f"{setting} has {url!r}. A URL begins with http:// or https://.")
    return url.rstrip("/").removesuffix("/v1")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body.

    Raises:
        _TryAgain: it is too large to be an answer.
    """
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            response.close()
            raise _TryAgain(f"its answer has more than {LARGEST_ANSWER:,} bytes")
    return b"".join(parts)


def _parsed(body: bytes, kind: type[Answer]) -> Answer:
    """An answer of the API, also where its text is not quite UTF-8.

    Raises:
        _TryAgain: it is none.
    """
    try:
        return kind.model_validate_json(body)
    except ValueError:
        pass
    try:
        return kind.model_validate_json(_well_formed(body.decode("utf-8", "replace")))
    except (ValueError, RecursionError) as error:
        raise _TryAgain("its answer is not what the API promises") from error


def _well_formed(text: str) -> bytes:
    """The same JSON in UTF-8; half a surrogate pair, as an escape may hold, becomes "?"."""
    return json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")


def _message(text: str) -> str:
    try:
        text = ErrorAnswer.model_validate_json(text).error.message
    except ValidationError:
        text = " ".join(text.split())
    return text[:LONGEST_MESSAGE].rstrip(".") or "without a message"


def _retry_after(response: aiohttp.ClientResponse) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else 0.0
