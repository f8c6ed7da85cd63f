"""Exports pass through the data preparation of TRL's trainers as they are (no code in between).

TRL dropped its PRMTrainer after 1.13. Where a folder with an earlier TRL is named by
STEPFORGE_TEST_TRL_PRM (`pip install --no-deps --target FOLDER trl==1.13.0`), its own PRMTrainer
prepares the stepwise export in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets as hub
import pytest
from trl import RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from db.session import Database
from db.vocabulary import DatasetKind
from services.curation.export import ExportPlan, export
from services.curation.export_forms import FileKind, Format
from services.curation.spec import CurationSpec, TrajectoryRules, Verdicts
from services.curation.versions import create_version
from tests.integration.curation.forests import OTHER, RIGHT, WRONG, searched_run
from tests.models import save_tiny_policy, save_tiny_ppm, tiny_tokenizer

CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"


def exported(database: Database, folder: Path, form: Format, kind: DatasetKind) -> hub.Dataset:
    """An export of a small run, as a user loads it."""
    run = searched_run(database, [(RIGHT, OTHER, WRONG)] * 3)
    verdicts = Verdicts.BOTH if kind is DatasetKind.STEPWISE else Verdicts.CORRECT
    spec = CurationSpec(kind=kind, trajectories=TrajectoryRules(verdicts=verdicts))
    version = create_version(database, "mine", spec, run=run).version
    plan = ExportPlan("mine", version.content_hash.hex(), form, FileKind.JSONL, 100, 0.0)
    export(database, version, folder / "export", plan)
    return hub.load_dataset(str(folder / "export"), cache_dir=str(folder / "cache"))["train"]


def arguments(kind: type, folder: Path, **more: object) -> object:
    return kind(
        output_dir=str(folder / "out"),
        report_to="none",
        use_cpu=True,
        bf16=False,
        max_length=4096,
        max_steps=1,
        per_device_train_batch_size=2,
        save_strategy="no",
        disable_tqdm=True,
        **more,
    )


def test_sft_learns_the_completion_and_not_the_prompt(database: Database, tmp_path: Path) -> None:
    rows = exported(database, tmp_path, Format.SFT, DatasetKind.SFT)
    trainer = SFTTrainer(
        str(save_tiny_policy(tmp_path / "model")),
        arguments(SFTConfig, tmp_path),
        train_dataset=rows,
        processing_class=tiny_tokenizer(),
    )
    tokenizer = tiny_tokenizer()
    batch = next(iter(trainer.get_train_dataloader()))
    for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
        learned = tokenizer.decode([token for token in labels if token != -100])
        assert any(learned.startswith(row["completion"]) for row in rows)
        assert tokenizer.decode(ids).startswith("<|user|>:")
    trainer.train()


def test_conversations_go_through_a_chat_template(database: Database, tmp_path: Path) -> None:
    rows = exported(database, tmp_path, Format.CONVERSATIONAL, DatasetKind.SFT)
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = CHAT
    trainer = SFTTrainer(
        str(save_tiny_policy(tmp_path / "model")),
        arguments(SFTConfig, tmp_path),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    text = tokenizer.decode(trainer.train_dataset[0]["input_ids"])
    assert text.startswith(f"<user>{rows[0]['messages'][0]['content']}<assistant>Let's think")


def test_pairs_train_a_reward_model_with_their_margin(database: Database, tmp_path: Path) -> None:
    rows = exported(database, tmp_path, Format.PREFERENCE, DatasetKind.PREFERENCE)
    tokenizer = tiny_tokenizer()
    trainer = RewardTrainer(
        str(save_tiny_ppm(tmp_path / "model")),
        arguments(RewardConfig, tmp_path),
        train_dataset=rows,
        processing_class=tokenizer,
    )
    first = trainer.train_dataset[0]
    assert tokenizer.decode(first["chosen_ids"]).startswith(rows[0]["prompt"] + rows[0]["chosen"])
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["margin"].tolist() == [2.0, 2.0]
    trainer.train()


PREPARE = """
import json, sys
from pathlib import Path
import datasets as hub
from transformers import AutoModelForTokenClassification, AutoTokenizer
from trl.experimental.prm import PRMConfig, PRMTrainer

folder = Path(sys.argv[1])
rows = hub.load_dataset(str(folder / "export"), cache_dir=str(folder / "cache"))["train"]
trainer = PRMTrainer(
    AutoModelForTokenClassification.from_pretrained(folder / "model", num_labels=2),
    PRMConfig(output_dir=str(folder / "out"), report_to="none", use_cpu=True, bf16=False,
              max_length=4096, max_steps=1, per_device_train_batch_size=2, save_strategy="no",
              disable_tqdm=True),
    train_dataset=rows,
    processing_class=AutoTokenizer.from_pretrained(folder / "model"),
)
prepared = [[label for label in row["labels"] if label != -100] for row in trainer.train_dataset]
trainer.train()
(folder / "prepared.json").write_text(json.dumps(prepared))
"""


@pytest.mark.engine("prm_trainer")
def test_steps_train_a_process_reward_model(database: Database, tmp_path: Path) -> None:
    rows = exported(database, tmp_path, Format.STEPWISE, DatasetKind.STEPWISE)
    save_tiny_policy(tmp_path / "model")
    earlier = os.environ["STEPFORGE_TEST_TRL_PRM"]
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": earlier, "TRL_EXPERIMENTAL_SILENCE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    prepared = json.loads((tmp_path / "prepared.json").read_text())
    assert prepared == [row["labels"] for row in rows]
    assert {tuple(labels) for labels in prepared} == {(1, 1, 1), (0, 0, 0)}
