"""What can be set, by environment variables ``MEDPLUG_SERVICE_*``."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "MEDPLUG_SERVICE_"


class Settings(BaseModel):
    """One service: the run that it serves, and how much is asked of it at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path = Field(description="the folder of the finished run")
    device: str = Field("auto", description="where it computes, as `device=` of medplug run")
    rows: int = Field(200, ge=1, description="the most rows of one request")
    bytes: int = Field(4_000_000, ge=1, description="the most bytes of one request")
    workers: int = Field(2, ge=1, description="requests that are computed at once")
    waiting: int = Field(
        100, ge=0, description="requests that may wait for a worker; further ones are told to come back"
    )

    @classmethod
    def from_environment(cls) -> Settings:
        """Those of ``MEDPLUG_SERVICE_RUN`` and the others; `SystemExit` names the variable that is wrong."""
        given = {
            name.removeprefix(PREFIX).lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            told = [f"{PREFIX}{str(each['loc'][0]).upper()}: {each['msg']}" for each in error.errors()]
            known = ", ".join(f"{PREFIX}{name.upper()}" for name in cls.model_fields)
            raise SystemExit("\n".join([*told, f"known: {known}"])) from None
