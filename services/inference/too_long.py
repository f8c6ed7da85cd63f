"""Whether a server refused a request because the prompt does not fit the model's context.

The API has no status of its own for it: 400 and 422 also mean an unknown parameter. So it is the
words of the known servers that decide, and a refusal in other words stays a server's refusal.
"""

from __future__ import annotations

import re
from http import HTTPStatus

_WORDS = re.compile(
    "|".join(
        (
            r"context_length_exceeded",  # the code of the OpenAI API
            r"maximum context length",  # vLLM, SGLang: "exceeds the model's maximum context length"
            r"maximum model length",  # vLLM: "is longer than the maximum model length of 4096"
            r"context length is only",  # vLLM: "However, the model's context length is only 4096"
            r"longer than the model's context length",  # SGLang
            r"exceeds? the (available )?context",  # llama.cpp
            r"`inputs` tokens",  # TGI: "`inputs` tokens + `max_new_tokens` must be <= 4096"
            r"the prompt has [1-9]\d* tokens; the model .* takes 1 to",  # the local server
        )
    ),
    re.IGNORECASE | re.DOTALL,
)
_CONTEXT = re.compile(r"(?:context|model) length (?:is|of)(?: only)? (\d+)", re.IGNORECASE)


def is_too_long(status: int, message: str, *, asked_for: int = 0) -> bool:
    """Whether a refusal says that the prompt is too long.

    `asked_for` are the tokens that the request wanted. Where they alone fill the context that the
    message names, no prompt would fit: that is a setting's fault and not this prompt's.
    """
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return True
    if status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        return False
    context = _CONTEXT.search(message)
    if context is not None and asked_for >= int(context[1]):
        return False
    return _WORDS.search(message) is not None
