"""What searches rely on in a policy's server, asked of every replica before a round begins.

A server that breaks the contract writes no errors: stop strings that it strips make every step
unparsable, and a seed that it ignores makes a search another one each time. So it is refused before
the first search. The stop string that is asked for is a piece of what the model wrote before, so
that the probe works with a model that has never seen ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.errors import ConfigurationError
from services.inference.http import ModelServers, Patience
from services.inference.openai_api import CompletionAnswer, CompletionRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT = "Question: What is 12 + 30?\nSolution:"
TOKENS = 24
"""Of an answer; short, so that the probe takes a moment."""
COUNT = 3
SEEDS = (7, 11, 13)
"""Tried in turn; a server that fails with each of them is refused."""
STOP_CHARACTERS = 4


async def probe_policy(urls: Sequence[str], *, model: str, api_key: str, setting: str) -> None:
    """Ask each replica of a policy for what searches rely on.

    Raises:
        ConfigurationError: one breaks the contract; says which, how, and what to set.
        PolicyUnavailable: one cannot be reached, or refused.
    """
    for url in urls:
        async with ModelServers(
            [url], model=model, api_key=api_key, patience=Patience(), setting=setting
        ) as server:
            faults = [await _fault(server, model, seed) for seed in SEEDS[:1]]
            for seed in SEEDS[1:]:
                # Batches of a busy server may tip a draw; a broken one fails every time.
                if faults[-1]:
                    faults.append(await _fault(server, model, seed))
            if faults[-1]:
                raise ConfigurationError(
                    f"The model server {url.strip()} cannot be searched with: {faults[-1]} "
                    f"Nothing was searched. Mend the server, or set {setting} to another one."
                )


async def _fault(server: ModelServers, model: str, seed: int) -> str:
    """What the server does wrong; empty if nothing."""
    first = await _ask(server, model, seed, ())
    texts = _texts(first)
    if len(texts) != COUNT:
        return f"asked for {COUNT} candidates (n) it gives {len(texts)}."
    if any(texts) and not first.usage.completion_tokens and first.choices[0].token_ids is None:
        return "it counts no tokens (usage.completion_tokens, return_token_ids)."
    if _texts(await _ask(server, model, seed, ())) != texts:
        return "with the same seed it writes something else."
    return await _fault_of_stops(server, model, seed, texts)


async def _fault_of_stops(server: ModelServers, model: str, seed: int, texts: list[str]) -> str:
    place = next((k for k, text in enumerate(texts) if _can_be_cut(text)), None)
    if place is None:
        return ""  # The model ended at once, and nothing can be told from that.
    middle = len(texts[place]) // 2
    stop = texts[place][middle : middle + STOP_CHARACTERS]
    whole = texts[place][: texts[place].index(stop) + len(stop)]
    answer = await _ask(server, model, seed, (stop,))
    choice = next((c for c in answer.choices if c.index == place), None)
    text = "" if choice is None else choice.text
    is_restorable = choice is not None and choice.stop_reason == stop and text + stop == whole
    if text == whole or is_restorable:
        return ""
    if text.startswith(whole):
        return f"it goes on after a stop string (asked to stop at {stop!r} it wrote {text!r})."
    if whole.startswith(text):
        return (
            f"it takes stop strings from the text, whole or in part, and does not name them in "
            f"stop_reason (asked to stop at {stop!r} it wrote {text!r} instead of {whole!r}). Let "
            "it keep them (include_stop_str_in_output) or name them."
        )
    return "with the same seed and a stop string it writes something else."


def _can_be_cut(text: str) -> bool:
    """Half of a character decodes otherwise when more follows, so it is no place for a stop."""
    return len(text) > 2 * STOP_CHARACTERS and "\ufffd" not in text


async def _ask(
    server: ModelServers, model: str, seed: int, stop: tuple[str, ...]
) -> CompletionAnswer:
    request = CompletionRequest(
        model=model,
        prompt=PROMPT,
        n=COUNT,
        temperature=1.0,
        top_p=1.0,
        max_tokens=TOKENS,
        stop=stop,
        include_stop_str_in_output=True,
        seed=seed,
        return_token_ids=True,
    )
    return await server.ask("/v1/completions", request, CompletionAnswer)


def _texts(answer: CompletionAnswer) -> list[str]:
    return [choice.text for choice in sorted(answer.choices, key=lambda choice: choice.index)]
