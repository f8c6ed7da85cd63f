"""Generated tokens a second: transformers' `generate` against the local model server.

    python -m tests.benchmarks.bench_inference [--model FOLDER]

The server is a process, asked over HTTP by 24 concurrent trees of 5 candidates: each tree extends
its prompt by one of its candidates and asks again, as a search does. Steps are 10 to 80 tokens
long. transformers generates as many candidates after the same first prompts, 40 tokens each, in one
batch. Prints a table and writes build/bench/inference.json. The variable gives transformers what
the server gives itself: on a machine that does other work too, both are slow without it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import transformers
from rich.console import Console
from rich.table import Table

from services.config import REPOSITORY
from services.inference.base_model import ensure_base_model
from services.inference.client import HttpPolicy, HttpPpm
from services.inference.local_host import physical_cores
from services.inference.local_model import best_device, best_dtype
from services.profiles import Sampling
from services.steps import root_prompt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TREES = 24
CANDIDATES = 5
DEPTH = 4
LENGTHS = (10, 20, 30, 40, 50, 60, 70, 80)
RESULT = REPOSITORY / "build" / "bench" / "inference.json"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one way of generating gave."""

    name: str
    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def question(tree: int) -> str:
    """A word problem of some 150 tokens, different from its first words on."""
    return f"{tree + 3} friends share what they earn. " + " ".join(
        f"On day {day} friend {day % 7 + 1} sells {tree * 7 + day * 3} boxes at {day + 2} dollars."
        for day in range(1, 9)
    )


def measure_transformers(folder: Path) -> Measurement:
    """transformers' own batched generation."""
    torch.set_num_threads(physical_cores())
    device = best_device()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=best_dtype(device))
    model.to(device)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
    prompts = [root_prompt(question(tree)) for tree in range(TREES)]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True).to(device)
    length = sum(LENGTHS) // len(LENGTHS)
    fixed = {"min_new_tokens": length, "max_new_tokens": length, "do_sample": True}
    started = time.perf_counter()
    model.generate(**inputs, **fixed, num_return_sequences=CANDIDATES)
    return Measurement(
        "transformers generate", TREES * CANDIDATES * length, time.perf_counter() - started
    )


@asynccontextmanager
async def model_server() -> AsyncIterator[str]:
    """The base URL of a fresh server process."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.inference.local_server"),
            *("--port-file", str(port_file)),
            stderr=asyncio.subprocess.DEVNULL,
        )
        while not port_file.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port_file.read_text().strip()}"
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def grow_tree(policies: list[HttpPolicy], ppm: HttpPpm | None, tree: int, seed: int) -> int:
    """Ask as one search does; returns the generated tokens."""
    prompt, tokens = root_prompt(question(tree + seed * TREES)), 0
    for depth in range(DEPTH):
        policy = policies[(tree * 5 + depth * 3) % len(policies)]
        made = await policy.propose(prompt, count=CANDIDATES, seed=seed, affinity=tree)
        tokens += sum(candidate.tokens for candidate in made)
        if ppm is not None:
            await ppm.score([f"{prompt}{candidate.text}\n" for candidate in made])
        prompt += f"{made[depth % CANDIDATES].text}\n"
    return tokens


async def measure_server(folder: Path, ppm_folder: Path) -> list[Measurement]:
    """The local server, first with the policy alone and then with a PPM that scores each step."""
    measurements: list[Measurement] = []
    async with model_server() as url:
        policies = [
            HttpPolicy([url], model=str(folder), sampling=Sampling(max_step_tokens=length))
            for length in LENGTHS
        ]
        ppm = HttpPpm([url], model=str(ppm_folder))
        await asyncio.gather(*(grow_tree(policies, ppm, tree, seed=0) for tree in range(2)))
        for name, scorer in (("local server", None), ("local server, each step scored", ppm)):
            started = time.perf_counter()
            seed = len(measurements) + 1
            made = await asyncio.gather(
                *(grow_tree(policies, scorer, tree, seed) for tree in range(TREES))
            )
            measurements.append(Measurement(name, sum(made), time.perf_counter() - started))
        for client in (*policies, ppm):
            await client.close()
    return measurements


def write_ppm(folder: Path, policy: Path) -> Path:
    """A PPM of the policy's size; its head is random, which costs the same."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(policy, num_labels=1)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(policy).save_pretrained(folder)
    return folder


def report(measurements: list[Measurement]) -> None:
    """Print the table and write the file."""
    table = Table("", "tokens", "seconds", "tokens/s", "times transformers")
    for entry in measurements:
        table.add_row(
            entry.name,
            str(entry.tokens),
            f"{entry.seconds:.1f}",
            f"{entry.rate:.0f}",
            f"{entry.rate / measurements[0].rate:.1f}",
        )
    Console().print(table)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(entry), "tokens_per_second": entry.rate} for entry in measurements]
    RESULT.write_text(json.dumps({"cores": physical_cores(), "measurements": rows}, indent=1))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="a folder; the bundled base model without")
    spec = parser.parse_args().model
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    folder = ensure_base_model(spec, REPOSITORY / "build" / "bench")
    with tempfile.TemporaryDirectory() as scratch:
        ppm_folder = write_ppm(Path(scratch) / "ppm", folder)
        plain = measure_transformers(folder)
        report([plain, *asyncio.run(measure_server(folder, ppm_folder))])


if __name__ == "__main__":
    main()
