"""Commands that use finished runs: predict, evaluate, compare, explain, index and ask."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from medplug.core.commands.options import FILE, debug_option, device_option, root_option
from medplug.core.screening.arguments import screening_options


@click.command()
@click.argument("folder", metavar="RUN", type=FILE)
@click.argument("table", metavar="INPUT", type=FILE)
@click.option(
    "-o", "--output", type=FILE, help="Where to write: .parquet, .csv or .jsonl (default: CSV to the screen)."
)
@click.option("--masks", type=FILE, help="A folder for predicted masks, one PNG a row.")
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", help="What to do with bad rows.")
@screening_options
@root_option
@device_option
@debug_option
def predict(
    folder: Path,
    table: Path,
    output: Path | None,
    masks: Path | None,
    on_error: str,
    root: Path | None,
    device: str,
    debug: bool,
    **screening: Any,
) -> None:
    """Predict the rows of a table (for images also: a folder, or one file) with a finished run.

    With --against INPUT is a library, whose entities are ranked for each of those of the other file.
    """
    from medplug.core.data.output import check_folder, check_output, write_table

    check_output(output)
    check_folder(masks)
    how: dict[str, Any] = {"on_error": on_error, "device": device, "root": root}
    if given := {name: value for name, value in screening.items() if value not in (None, ())}:
        from medplug.core.screening.command import screen_files

        frame, told = screen_files(folder, table, given | {"masks": masks}, **how)
    else:
        from medplug.core.predicting.command import predict_file

        frame, told = predict_file(folder, table, masks=masks, **how)
        told += [] if output is None else [f"{frame.height} predictions in {output}"]
    write_table(frame, output)
    if told:
        click.echo("\n".join(told), err=True)


@click.command()
@click.argument("folder", metavar="RUN", type=FILE)
@click.argument("table", metavar="DATA", type=FILE)
@click.option("-o", "--output", type=FILE, help="Write the scores as JSON here too.")
@root_option
@device_option
@debug_option
def evaluate(folder: Path, table: Path, output: Path | None, root: Path | None, device: str, debug: bool) -> None:
    """Score a finished run on a labelled table."""
    from medplug.core.api import load
    from medplug.core.folder import write_json
    from medplug.core.terminal import counting, show_scores

    predictor = load(folder, device=device, root=root)
    with counting(sys.stderr, "predicting") as report:
        scores = predictor.evaluate(table, report=report)
    show_scores(scores)
    if output is not None:
        write_json(output, scores)


@click.command()
@click.argument("folders", metavar="RUN RUN...", nargs=-1, type=FILE)
@click.option("-o", "--output", type=FILE, help="Write the comparison as one HTML page here.")
@click.option("--json", "numbers", type=FILE, help="Write it as JSON here.")
@debug_option
def compare(folders: tuple[Path, ...], output: Path | None, numbers: Path | None, debug: bool) -> None:
    """Hold finished runs against the first one given, on the test rows that all of them were tested on.

    Tells each run's metrics and paired differences with 95 % intervals, cost, and the keys that differ.
    """
    from medplug.core.comparing.command import show
    from medplug.core.comparing.comparison import compare_runs
    from medplug.core.folder import write_json

    found = compare_runs(folders)
    if output is not None:
        found.write_page(output)
    if numbers is not None:
        write_json(numbers, found.as_json())
    show(found)


@click.command()
@click.argument("folder", metavar="RUN", type=FILE)
@click.argument("table", metavar="INPUT", type=FILE)
@click.option("--rows", help="Numbers of the rows to explain, as 1,5 or 1-3 (default: the first three).")
@click.option("--method", default="auto", help="How: auto, gradient, replacing.")
@click.option("--show-examples", is_flag=True, help="Put the rows' own words and pictures into the page.")
@click.option("-o", "--output", type=FILE, help="Where to write: .html, .json or .parquet.")
@click.option("--on-error", type=click.Choice(["stop", "skip"]), default="stop", help="What to do with bad rows.")
@root_option
@device_option
@debug_option
def explain(
    folder: Path,
    table: Path,
    rows: str | None,
    method: str,
    show_examples: bool,
    output: Path | None,
    on_error: str,
    root: Path | None,
    device: str,
    debug: bool,
) -> None:
    """Explain predictions of a finished run: which words, patches, atoms or columns spoke for them."""
    from medplug.core.explaining.command import explain_file

    how: dict[str, Any] = {"on_error": on_error, "device": device, "root": root}
    told = explain_file(folder, table, rows=rows, method=method, show=show_examples, output=output, **how)
    click.echo("\n".join(told))


@click.command()
@click.argument("folder", metavar="RUN", type=FILE)
@click.argument("corpus", metavar="CORPUS", type=FILE)
@click.option("--passage", help="The column of passages (default: the run's data.passage).")
@click.option("--id", "identifier", help="The column of ids (default: the run's data.passage_id; else by content).")
@device_option
@debug_option
def index(folder: Path, corpus: Path, passage: str | None, identifier: str | None, device: str, debug: bool) -> None:
    """Index the passages of a table with the encoder of a finished retrieval run, in place of the index it has."""
    from medplug.core.retrieval.command import index_file

    told = index_file(folder, corpus, passage=passage, identifier=identifier, device=device)
    click.echo("\n".join(told), err=True)


@click.command()
@click.argument("folder", metavar="RUN", type=FILE)
@click.argument("question")
@click.option("--context", type=FILE, help="A text file that the question is asked of.")
@click.option("--option", "options", multiple=True, help="An option to choose from; give one for each.")
@click.option("--top", type=int, default=5, help="How many passages of a ranking to show.")
@device_option
@debug_option
def ask(
    folder: Path, question: str, context: Path | None, options: tuple[str, ...], top: int, device: str, debug: bool
) -> None:
    """Ask a finished run one question: the answer, what it rests on, and whether it is sure."""
    from medplug.core.asking.command import ask_run, told

    click.echo("\n".join(told(ask_run(folder, question, context=context, options=options, top=top, device=device))))
