"""A tiny transformer that learned to write the scripted policy's steps.

Trained from nothing within a minute, it solves sums of small numbers as the scripted policy does:
right, wrong, failing and formless, in shares that it learned. It is stored in double precision, so
that what it writes for a seed does not depend on what else the server computes at the time.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from random import Random
from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.vocabulary import StepKind
from services.inference.scripted_arithmetic import write_step
from services.steps import parse_step, root_prompt, segment
from services.training.encoding import IGNORED, encode_solution
from tests.models import save_tiny_policy

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

SUMS = tuple((left, right) for left in range(40) for right in range(5))
"""What it can add up."""
LONGEST_STEP = 24
"""Tokens; every step that it learned is far shorter."""
STEPS = 300
EXAMPLES_A_STEP = 24
LEARNING_RATE = 3e-3
SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
}
PIECE = re.compile(r"\d+|<[^>]+>|[^<\d\n]+")
"""What is one token: a number, a marker, or what stands between them in a line."""


def question(left: int, right: int) -> str:
    return f"What is {left} + {right}?"


def save_trained_policy(folder: Path) -> Path:
    """Write the policy to a folder."""
    torch.set_num_threads(1)  # More make it slower, far slower on a busy machine.
    dice = Random(0)
    sums = [dice.choice(SUMS) for _ in range(STEPS * EXAMPLES_A_STEP)]
    prompts = [root_prompt(question(left, right)) for left, right in sums]
    solutions = [(prompt, _solution(prompt, seed)) for seed, prompt in enumerate(prompts)]
    pieces = sorted({piece for pair in solutions for piece in PIECE.findall("".join(pair))})
    save_tiny_policy(folder, pieces=pieces, **SHAPE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
    for start in range(0, len(solutions), EXAMPLES_A_STEP):
        tokens, labels = _batch(tokenizer, solutions[start : start + EXAMPLES_A_STEP])
        optimizer.zero_grad()
        model(input_ids=tokens, labels=labels).loss.backward()
        optimizer.step()
        pace.step()
    model.double().save_pretrained(folder)
    return folder


def _batch(
    tokenizer: PreTrainedTokenizerBase, solutions: list[tuple[str, str]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens and labels, [solutions, tokens]; padding is on the right and teaches nothing."""
    encoded = [encode_solution(tokenizer, prompt=p, completion=c) for p, c in solutions]
    longest = max(len(solution.input_ids) for solution in encoded)

    def padded(rows: list[list[int]], padding: int) -> torch.Tensor:
        return torch.tensor([row + [padding] * (longest - len(row)) for row in rows])

    tokens = padded([solution.input_ids for solution in encoded], tokenizer.pad_token_id)
    return tokens, padded([solution.labels for solution in encoded], IGNORED)


def _solution(prompt: str, seed: int) -> str:
    """Steps of the scripted policy until one of them answers, fails or has no form."""
    written, names, kind = "", dict[str, object](), StepKind.ROOT
    while kind is not StepKind.ANSWER:
        text = write_step(prompt + written, 0, seed)
        step = parse_step(text, after=kind)
        kind, printed = step.kind, io.StringIO()
        if kind is StepKind.UNPARSABLE:
            return written + text
        try:
            with redirect_stdout(printed):
                exec(step.code, names)
        except (NameError, ValueError):
            return written + step.text
        written += segment(kind, step.text, printed.getvalue().strip())
    return written
