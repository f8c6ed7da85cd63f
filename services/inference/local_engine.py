"""The scheduler of the local model: many requests, one batch, one step at a time.

Requests that arrive while others run join at the next step; finished candidates leave at once. A
prompt is computed and stored once for all its candidates, and only beyond what the prefix cache
holds. The engine belongs to one thread; its answers come through the futures of the jobs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import torch

from services.inference.local_batch import Answer, Batch, plan_batch
from services.inference.local_columns import NOBODY, PROMPT, KvColumns
from services.inference.local_flight import FlyingPrompt, RunningCandidate
from services.inference.local_jobs import (
    Generation,
    GenerationJob,
    Job,
    RequestRefused,
    Score,
    ScoringJob,
)
from services.inference.local_model import Head
from services.inference.local_prefix import BLOCK, PrefixCache, block_keys
from services.inference.local_sampling import Draw, choose_tokens, generator_for
from services.inference.local_stops import Finished, find_finished

if TYPE_CHECKING:
    from services.inference.local_model import LocalModel

LOOK_AHEAD = 64
"""Waiting requests that are looked at for one that can start."""


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """How much the engine takes on at once."""

    sequences: int = 160
    """Candidates and scored texts in a batch; one request with more still runs, alone."""
    prompt_tokens: int = 512
    """New prompt tokens in one step."""
    flight_bytes: int = 2 << 30
    """Keys and values of prompts in flight."""
    prefix_bytes: int = 1 << 30
    """Keys and values kept for later prompts."""

    @classmethod
    def for_memory(cls, memory: int) -> EngineLimits:
        """Limits for a machine with so many bytes: two models use a quarter of it at most."""
        largest = cls()
        return cls(
            flight_bytes=min(largest.flight_bytes, memory // 12),
            prefix_bytes=min(largest.prefix_bytes, memory // 24),
        )


@dataclass(slots=True, eq=False)
class _Waiting:
    job: Job
    tokens: list[int]
    keys: list[bytes]


class LocalEngine:
    """Runs jobs on one model."""

    def __init__(self, model: LocalModel, limits: EngineLimits | None = None) -> None:
        self.model = model
        self.limits = limits or EngineLimits()
        self.prefix = PrefixCache(limit_bytes=self.limits.prefix_bytes)
        self._columns = KvColumns(model.kv_shape, limit_bytes=self.limits.flight_bytes)
        self._waiting: deque[_Waiting] = deque()
        self._flight: list[FlyingPrompt] = []

    @property
    def busy(self) -> bool:
        """Whether any job is not answered yet."""
        return bool(self._flight or self._waiting)

    def submit(self, job: Job) -> None:
        """Take a job on.

        Raises:
            RequestRefused: the model is of the other kind, or the prompt does not fit its context.
        """
        head = Head.LOGITS if isinstance(job, GenerationJob) else Head.SCORE
        folder = self.model.folder
        if head is not self.model.head:
            does = "scores texts" if self.model.head is Head.SCORE else "generates text"
            raise RequestRefused(f"The model {folder} {does}; name a model of the other kind.")
        tokens = self.model.encode(job.prompt)
        room = self.model.context - (1 if head is Head.LOGITS else 0)
        if not 0 < len(tokens) <= room:
            raise RequestRefused(
                f"The prompt has {len(tokens)} tokens; the model {folder} takes 1 to {room}. "
                "Shorten the prompt."
            )
        self._waiting.append(_Waiting(job, tokens, block_keys(tokens)))

    @torch.inference_mode()
    def step(self) -> None:
        """One forward pass over everything that runs."""
        self._drop_cancelled()
        self._admit()
        if not self._flight:
            return
        batch = plan_batch(self._flight, self._columns, budget=self.limits.prompt_tokens)
        answers = self.model.forward(batch.tokens, batch.positions, batch.plan, batch.wanted)
        self._keep_prefixes(batch)
        if self.model.head is Head.SCORE:
            self._read_scores(batch, answers)
        else:
            self._read_logits(batch, answers)

    def fail_all(self, error: BaseException) -> None:
        """Answer every job with an error and forget everything."""
        jobs = [*(prompt.job for prompt in self._flight), *(entry.job for entry in self._waiting)]
        self._flight.clear()
        self._waiting.clear()
        for job in jobs:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)

    def _drop_cancelled(self) -> None:
        if any(entry.job.future.cancelled() for entry in self._waiting):
            self._waiting = deque(e for e in self._waiting if not e.job.future.cancelled())
        for prompt in [p for p in self._flight if p.job.future.cancelled()]:
            self._leave(prompt)

    def _admit(self) -> None:
        """Give waiting prompts slots while the step's budgets last, oldest first.

        A prompt whose next block another prompt is just computing waits for it, so that the
        children of one node never compute their common prefix side by side.
        """
        unfinished = [prompt for prompt in self._flight if not prompt.is_computed]
        budget = self.limits.prompt_tokens
        budget -= sum(len(prompt.tokens) - prompt.computed for prompt in unfinished)
        computing = {key for p in unfinished for key in p.keys[p.computed // BLOCK :]}
        rows = sum(prompt.rows for prompt in self._flight)
        for entry in list(islice(self._waiting, LOOK_AHEAD)):
            known = self.prefix.known(entry.keys)
            if known < len(entry.keys) and entry.keys[known] in computing:
                continue
            prompt = FlyingPrompt(
                entry.job, entry.tokens, entry.keys, known * BLOCK, len(entry.tokens)
            )
            rows += prompt.rows
            if self._flight and (budget <= 0 or rows > self.limits.sequences):
                break
            if not self._take_slot(prompt):
                break
            self._waiting.remove(entry)
            computing.update(entry.keys[known:])
            budget -= len(entry.tokens) - prompt.computed

    def _take_slot(self, prompt: FlyingPrompt) -> bool:
        """Put a prompt in flight unless memory forbids; the first one always may."""
        slot = len(self._flight)
        if not self._columns.fits(slots=slot + 1, columns=prompt.width):
            if self._flight:
                return False
            self._columns.reset(slots=1, columns=prompt.width)
        self._columns.reserve(slots=slot + 1, columns=prompt.width)
        self._columns.clear(slot)
        self._columns.owner[slot, : prompt.width] = PROMPT
        self.prefix.load(prompt.keys[: prompt.computed // BLOCK], self._columns, slot)
        self._flight.append(prompt)
        return True

    def _leave(self, prompt: FlyingPrompt) -> None:
        """Give a prompt's slot back; the last prompt moves into the gap."""
        slot = self._flight.index(prompt)
        last = self._flight.pop()
        if last is not prompt:
            self._flight[slot] = last
            self._columns.move(len(self._flight), slot, columns=last.width)

    def _keep_prefixes(self, batch: Batch) -> None:
        for answer in batch.answers:
            if answer.candidate is None:
                prompt = answer.prompt
                self.prefix.store(prompt.keys, self._columns, self._flight.index(prompt))

    def _read_scores(self, batch: Batch, scores: torch.Tensor) -> None:
        for answer, value in zip(batch.answers, scores[:, 0].tolist(), strict=True):
            job = answer.prompt.job
            self._leave(answer.prompt)
            if isinstance(job, ScoringJob) and job.future.set_running_or_notify_cancel():
                job.future.set_result(Score(value, len(answer.prompt.tokens)))

    def _read_logits(self, batch: Batch, logits: torch.Tensor) -> None:
        """Sample every candidate's next token; end candidates and prompts that are finished."""
        rows: list[int] = []
        grown: list[tuple[FlyingPrompt, RunningCandidate]] = []
        for row, answer in enumerate(batch.answers):
            for candidate in _continued_by(answer):
                rows.append(row)
                grown.append((answer.prompt, candidate))
        if len(rows) != logits.shape[0]:
            logits = logits.index_select(0, torch.tensor(rows, device=logits.device))
        chosen = choose_tokens(logits, [candidate.draw for _, candidate in grown])
        for (_, candidate), token in zip(grown, chosen, strict=True):
            candidate.tokens.append(token)
        for finished in find_finished(grown, self.model):
            self._end_candidate(finished)

    def _end_candidate(self, finished: Finished) -> None:
        prompt, candidate = finished.prompt, finished.candidate
        slot = self._flight.index(prompt)
        self._columns.owner[slot, candidate.columns] = NOBODY
        prompt.free.extend(candidate.columns)
        prompt.candidates.remove(candidate)
        prompt.completions[candidate.index] = finished.completion
        if not prompt.candidates:
            self._leave(prompt)
            _resolve(prompt)


def _continued_by(answer: Answer) -> list[RunningCandidate]:
    """The candidates that an answer's logits are for; a computed prompt starts all of its own."""
    if answer.candidate is not None:
        return [answer.candidate]
    job = answer.prompt.job
    assert isinstance(job, GenerationJob)
    options = job.options
    answer.prompt.candidates = [
        RunningCandidate(
            index,
            Draw(options.temperature, options.top_p, generator_for(options.seed, index)),
            [],
        )
        for index in range(options.count)
    ]
    return list(answer.prompt.candidates)


def _resolve(prompt: FlyingPrompt) -> None:
    job = prompt.job
    if isinstance(job, GenerationJob) and job.future.set_running_or_notify_cancel():
        completions = tuple(completion for _, completion in sorted(prompt.completions.items()))
        job.future.set_result(Generation(len(prompt.tokens), completions))
