"""Why a request is refused: the row, the column and the reason, and nothing of what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from medplug.core.data.problems import Problem
from medplug.core.errors import DataError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from medplug_service.desk import Busy

SHOWN = 20
NAME_SHOWN = 40


class Fault(BaseModel):
    """One thing that is wrong; `row` counts from 1, and both are empty where the request as a whole is."""

    row: int | None = None
    column: str | None = None
    reason: str


class Refusal(BaseModel):
    """The body of every 4xx and 5xx answer to ``POST /predict``."""

    faults: list[Fault] = Field(description=f"the first {SHOWN} of them")
    total: int = 1


class BadRows(Exception):
    """Rows that the model cannot use."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = problems


class Failed(Exception):
    """The model failed on rows that it should have taken; told without what they hold."""


def _refused(status: int, *faults: Fault, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = Refusal(faults=list(faults[:SHOWN]), total=len(faults))
    return JSONResponse(body.model_dump(), status, headers=headers)


async def _bad_rows(_: Request, error: BadRows) -> JSONResponse:
    return _refused(422, *(Fault(row=each.row, column=each.column, reason=each.reason) for each in error.problems))


async def _bad_table(_: Request, error: DataError) -> JSONResponse:
    """Rows that make no table: medplug's messages quote no cell."""
    return _refused(422, Fault(reason=str(error)))


async def _bad_form(_: Request, error: RequestValidationError) -> JSONResponse:
    """A body of another form; the framework's own answer would send the rows back."""
    return _refused(422, *(_fault(each) for each in error.errors()))


async def _busy(_: Request, error: Busy) -> JSONResponse:
    return _refused(503, Fault(reason="too many requests wait; come back in a second"), headers={"Retry-After": "1"})


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    return _refused(error.status_code, Fault(reason=error.detail), headers=error.headers)


async def _failed(_: Request, error: Failed) -> JSONResponse:
    return _refused(500, Fault(reason="the prediction failed; the service's log names the kind of error"))


HANDLERS: dict[int | type[Exception], Any] = {
    BadRows: _bad_rows,
    DataError: _bad_table,
    RequestValidationError: _bad_form,
    Busy: _busy,
    HTTPException: _http,
    Failed: _failed,
}
"""What each error is answered with."""


def _fault(told: dict[str, Any]) -> Fault:
    match told["loc"]:
        case ("body", "rows", int(position), str(column), *_):
            # who mistakes rows for names sends a note as one
            name = column if len(column) <= NAME_SHOWN else f"(a name of {len(column)} characters)"
            return Fault(row=position + 1, column=name, reason=told["msg"])
        case ("body", "rows", int(position), *_):
            return Fault(row=position + 1, reason=told["msg"])
        case _:
            return Fault(reason=told["msg"])
