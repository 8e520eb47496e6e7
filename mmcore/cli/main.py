"""`mm`: arguments in, exit codes out. What a command needs is imported when it is called."""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmcore.cli.terminal import never_lose_for_a_letter, warn_in_one_line
from mmcore.errors import Interrupted, MmcoreError, denied

MENDABLE = 2
"""Exit code for what the user can mend: one message, no traceback."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich would double the time that `mm --help` takes
    help="A factory for multimodal models: fields, encoders, fusions and tasks as plugins.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


def main() -> None:
    """What the script `mm` calls: 0 done, 2 for the user to mend, 130 and 143 when asked to stop, 1 otherwise.

    `mm smoke` alone ends with 3 too, where the model is at fault.
    """
    never_lose_for_a_letter()
    warn_in_one_line()
    try:
        app(prog_name="mm")
    except Interrupted as error:
        print(f"mm: {error}", file=sys.stderr)
        sys.exit(128 + error.signal)
    except MmcoreError as error:
        print(f"mm: {error}", file=sys.stderr)
        sys.exit(MENDABLE)
    except OSError as error:
        if (told := denied(error)) is None:
            raise
        print(f"mm: {told}", file=sys.stderr)
        sys.exit(MENDABLE)


def _tell_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"mmcore {version('mmcore')}")
        raise typer.Exit


@app.callback()
def every(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """What options before the command's name are for."""


@app.command()
def compose(
    choices: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what is wrong or edited, or what choices would change.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite edits made by hand.")] = False,
) -> None:
    """Write params.yaml from choices.

    For example: mm compose experiment=easy_vqa fusion=film training.epochs=5

    Choices add to those that made the present file; experiment=NAME starts anew. +KEY=VALUE adds a field or a task,
    ~KEY takes one away.
    """
    gc.disable()  # looking for what could be freed is a tenth of the time, and the process ends right away

    from mmcore.cli.compose import check_choices, check_params, compose_params

    if check and not choices:
        check_params()
    else:
        (check_choices if check else compose_params)(choices or [], force=force)


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="As dvc.yaml names it.")],
    field: Annotated[str | None, typer.Option(help="For fit, encode and features, which run once a field.")] = None,
    run: Annotated[str | None, typer.Option(help="For pretrain and repeat: one of their runs.")] = None,
    kind: Annotated[str | None, typer.Option(help="For spread: seeds or folds.")] = None,
) -> None:
    """Run one stage of dvc.yaml here and now.

    `dvc repro` runs all that have to.
    """
    from mmcore.cli.stage import run_stage

    run_stage(name, field=field, run=run, kind=kind)


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(metavar="[SPACE] [KEY=VALUE ..]", show_default=False)] = None,
    result: Annotated[
        bool, typer.Option("--result", help="No trials: the page and the file as it stands now.")
    ] = False,
    json: Json = False,
) -> None:
    """Find better settings: trainings side by side, resumed after any interruption.

    SPACE is a file of conf/search/; without one, what the chosen plugins declare is searched.

    For example: mm search easy_vqa trials=20 workers=2 sampler=tpe
    """
    from mmcore.cli.search import run_search, write_result

    write_result(words or [], as_json=json) if result else run_search(words or [], as_json=json)


@app.command()
def offload(
    address: Annotated[str, typer.Argument(help="Where fsspec can write: s3://bucket/name, a folder.")],
    into: Annotated[Path, typer.Option(help="The folder for what is left: rows, fits, settings.")] = Path("offloaded"),
) -> None:
    """Put the prepared arrays elsewhere, to train where they do not fit.

    For example: mm offload s3://bucket/photos --into light && cd light && mm stage train
    """
    from mmcore.cli.offload import offload_prepared

    offload_prepared(address, into)


@app.command()
def plugins(json: Json = False) -> None:
    """List the plugins that are installed.

    With what is wrong where a module or a library is missing; `mm doctor` imports each to find out more.
    """
    from mmcore.cli.plugins import show_plugins

    show_plugins(as_json=json)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="modality, encoder, fusion, connector, task or source")],
    name: Annotated[str, typer.Argument(help="How params.yaml will name it: lower-case letters, digits, _ or -.")],
    into: Annotated[Path, typer.Option(help="The folder that the new one is written to.")] = Path("plugins"),
) -> None:
    """Write a plugin of your own.

    A folder with code, conf, README and a contract test that passes at once: mm new modality radar
    """
    from mmcore.cli.new import new_plugin

    new_plugin(kind, name, into=into)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is wrong with this set-up.

    And what to do about it. Ends with 2 where something fails.
    """
    from mmcore.cli.doctor import examine

    examine(as_json=json)


WORDS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""For commands that take fields of the model as options: --image a.png."""


def _options(context: typer.Context) -> list[str]:
    """The options that a command has itself."""
    return [name for one in context.command.params for name in one.opts if name.startswith("--")]


@app.command(context_settings=WORDS)
def predict(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model's folder, or a release: prod, v1.2.0.")],
    field: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE: as --NAME VALUE, also of a field called as an option is.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Many rows: a CSV, JSON lines or Parquet table.")] = None,
    out: Annotated[Path | None, typer.Option(help="A .csv, .jsonl or .parquet file for the table's answers.")] = None,
    json: Json = False,
) -> None:
    """Ask a model.

    For example: mm predict artifacts/model --image a.png --question "what colour is it?"

    Of a table all columns are kept but those that answers go to: `error` and TASK:.. are written anew.

    Vectors, and the probability of every class, are written with .jsonl and --json alone.
    """
    from mmcore.cli.found import model_folder
    from mmcore.cli.predict import ask_row, ask_table

    folder, words = model_folder(model), context.args
    if table is None:
        ask_row(folder, field or [], words, options=_options(context), as_json=json)
    else:
        ask_table(folder, table, [*(field or []), *words], out=out, as_json=json)


@app.command(context_settings=WORDS)
def ask(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model's folder, or a release: prod, v1.2.0.")],
    temperature: Annotated[
        float | None, typer.Option(help="0: the likeliest words; above: drawn, without beams.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="At most so many tokens of answer.")] = None,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON for each question, for programs.")] = False,
) -> None:
    """Talk with a model; without a question, line by line.

    Fields are options. For example: mm ask artifacts/model --image a.png "what colour is it?"

    Ends with 2 where a line that came through a pipe could not be answered.
    """
    from mmcore.cli.ask import talk
    from mmcore.cli.found import model_folder

    chosen = {"temperature": temperature, "max_tokens": max_tokens}
    writing = {name: value for name, value in chosen.items() if value is not None}
    talk(model_folder(model), context.args, writing=writing, options=_options(context), as_json=json)


@app.command(context_settings=WORDS)
def find(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="A model's folder or release, with a task that aligns two fields.")],
    within: Annotated[Path, typer.Option("--in", help="A folder of files, or a text file with a line each.")],
    top: Annotated[int, typer.Option(min=1, help="How many to show.")] = 10,
    task: Annotated[str | None, typer.Option(help="Which one, where several tasks align what is asked by.")] = None,
    json: Json = False,
) -> None:
    """Search files by a text, or texts by a file.

    For example: mm find artifacts/model "a red cat" --in photos/

    The other way round: mm find artifacts/model --image a.png --in names.txt
    """
    from mmcore.cli.ask import search
    from mmcore.cli.found import model_folder

    search(
        model_folder(model), context.args, within=within, top=top, task=task, options=_options(context), as_json=json
    )


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A model's folder, or a release: prod, v1.2.0.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    json: Json = False,
) -> None:
    """Two models on the same rows of the test split.

    With the difference of every score and its interval. For example: mm compare prod artifacts/model
    """
    from mmcore.cli.compare import compare_models

    compare_models(first, second, as_json=json)


@app.command()
def smoke(model: Annotated[Path, typer.Argument(help="A model's folder.")]) -> None:
    """Load a model and ask it some rows of the test split.

    What every release has to pass. Ends with 3 where its answers are wrong.
    """
    from mmcore.cli.smoke import smoke_test

    smoke_test(model)


@app.command()
def report() -> None:
    """Write artifacts/report.html anew.

    From what the other stages left.
    """
    from mmcore.cli.stage import run_stage

    run_stage("report")
    print("artifacts/report.html")
