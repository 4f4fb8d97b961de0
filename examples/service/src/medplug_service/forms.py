"""The forms of a request and its answer, made of the columns that the model needs and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import polars as pl
from medplug.core.predictor import Predictor
from medplug.core.specs import Cell
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, create_model


def _written(value: object) -> object:
    """A number as the table of a category would have it, so that 1, 1.0 and "1" are one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if float(value).is_integer() else str(value)
    return value


def _whole(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON can write and no table can hold."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half a surrogate pair")
    return text


Text = Annotated[str, Strict(), AfterValidator(_whole)]
ACCEPTED: Mapping[Cell, Any] = {
    "text": Text | None,
    "texts": list[Text] | None,
    "number": Annotated[float, Strict()] | None,
    "value": Annotated[Text, BeforeValidator(_written)] | None,
}
"""What a cell of a request may be. An empty one is for the model to judge: it names the rows that it cannot use."""


class Strictly(BaseModel):
    """Nothing that was not asked for, and no content in errors."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Served(BaseModel):
    """Which model answered."""

    run: str = Field(description="the name of the run's folder")
    sha256: str = Field(description="of the weights, model.safetensors")


@dataclass(frozen=True, slots=True)
class Forms:
    """The models of ``POST /predict``: `asked` has ``rows``, `answered` has ``model`` and ``predictions``."""

    asked: type[BaseModel]
    answered: type[BaseModel]


def forms_of(predictor: Predictor, most_rows: int) -> Forms:
    """The forms for one model; `ValueError` for a model that reads files: a caller could name any of the server's."""
    rows, found = _row(predictor), _prediction(predictor.columns_given)
    asked = create_model(
        "Asked",
        __base__=Strictly,
        rows=(list[rows], Field(min_length=1, max_length=most_rows)),  # type: ignore[valid-type]
    )
    answered = create_model("Answered", model=(Served, ...), predictions=(list[found], ...))  # type: ignore[valid-type]
    return Forms(asked, answered)


def _row(predictor: Predictor) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for number, column in enumerate(predictor.columns_needed):
        if column.cell == "file":
            raise ValueError(
                f"the model reads files, named in the column {column.name!r} ({column.key}); this service takes texts "
                "and values only, as a path in a request could name any file of the server"
            )
        default = ... if column.required else None
        # a column may be called anything, a field of a model not
        fields[f"column_{number}"] = (ACCEPTED[column.cell], Field(default, alias=column.name, description=column.key))
    return create_model("Row", __base__=Strictly, **fields)


def _prediction(columns: pl.Schema) -> type[BaseModel]:
    fields: dict[str, Any] = {
        f"column_{number}": (_python(kind) | None, Field(alias=name))
        for number, (name, kind) in enumerate(columns.items())
    }
    return create_model("Prediction", __config__=ConfigDict(extra="allow"), **fields)


def _python(kind: pl.DataType) -> Any:
    """The type of a cell's value in a frame; of lists, that of what they hold."""
    if isinstance(kind, pl.List):
        return list[_python(kind.inner)]  # type: ignore[misc, arg-type]
    return kind.to_python()
