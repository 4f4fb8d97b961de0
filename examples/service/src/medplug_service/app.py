"""The service: one run, loaded once, behind ``/predict``, ``/model`` and ``/health``."""

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import medplug
import torch
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from medplug.core.errors import DataError
from medplug.core.predictor import Predictor

from medplug_service.about import About, about
from medplug_service.desk import Desk
from medplug_service.forms import Forms, forms_of
from medplug_service.limit import BodyLimit
from medplug_service.refusals import HANDLERS, BadRows, Failed, Refusal
from medplug_service.settings import Settings

_log = logging.getLogger("uvicorn.error")
_REFUSALS: dict[int | str, dict[str, Any]] = {code: {"model": Refusal} for code in (413, 422, 500, 503)}


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for a run (None: as the environment says), which is loaded before anything is answered.

    `SystemExit` says why a run cannot be served.
    """
    settings = settings or Settings.from_environment()
    predictor, forms, told, written = _opened(settings)
    torch.set_num_threads(max(1, torch.get_num_threads() // settings.workers))  # or workers fight for cores
    desk = Desk(settings.workers, settings.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.close()

    # its pages of documentation would fetch scripts from elsewhere; /openapi.json is all that they show
    title = f"medplug: {told.model.run}"
    app = FastAPI(title=title, lifespan=lifespan, docs_url=None, redoc_url=None, exception_handlers=HANDLERS)
    app.add_middleware(BodyLimit, most=settings.bytes)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "requests": desk.inside}

    @app.get("/model")
    async def model() -> About:
        return told

    @app.get("/card", response_class=PlainTextResponse)
    async def card() -> str:
        return written

    @app.post("/predict", response_model=forms.answered, responses=_REFUSALS)
    async def predict(asked: forms.asked) -> dict[str, Any]:  # type: ignore[name-defined]
        rows = [row.model_dump(by_alias=True, exclude_unset=True) for row in asked.rows]
        return {"model": told.model, "predictions": await desk.run(partial(_predictions, predictor, rows))}

    return app


def _opened(settings: Settings) -> tuple[Predictor, Forms, About, str]:
    """The model of a run, the shapes of its requests and answers, what is told of it, and its card."""
    try:
        predictor = medplug.load(settings.run, device=settings.device)
        forms = forms_of(predictor, settings.rows)
        card = (settings.run / "model_card.md").read_text(encoding="utf-8")
        return predictor, forms, about(predictor, settings.run), card
    except OSError as error:
        raise SystemExit(f"{error.filename}: {error.strerror}; a run is served from its whole folder") from None
    except (medplug.MedplugError, ValueError) as error:
        raise SystemExit(str(error)) from None


def _predictions(predictor: Predictor, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the model says of rows; `BadRows` where it cannot use some: nothing is answered in part."""
    try:
        examples, problems = predictor.unlabelled(rows, on_error="skip")
        if problems.found:
            raise BadRows(problems.in_order())
        return predictor.predicted(examples).to_dicts()
    except (BadRows, DataError):
        raise
    except Exception as error:  # its message could quote a row, so that neither caller nor log may have it
        place = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("a prediction failed: %s in %s, line %s", type(error).__name__, place.filename, place.lineno)
        raise Failed from None
