"""Commands of the model registry: train, compare, promote, roll back, score, serve, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.models.examples import Examples
    from battery_lake.models.promotion import Verdict
    from battery_lake.settings import Settings

REFUSED = 5
"""Exit code where a challenger may not replace the champion."""

model = typer.Typer(
    no_args_is_help=True, help="The prior of lives that RUL goes by: trained, judged, served."
)
app.add_typer(model, name="model")

Version = Annotated[str, typer.Option(help="A version's number; else the one with the alias.")]


def _settings(context: typer.Context) -> Settings:
    from battery_lake.log import configure

    chosen = options(context)
    configure(chosen.verbosity)
    return chosen.settings()[0]


def _examples(context: typer.Context) -> tuple[Settings, Examples, dict[str, int]]:
    from battery_lake.pipelines.train import examples_of

    _settings(context)
    lake = options(context).lake()
    examples, versions = examples_of(lake)
    return lake.settings, examples, versions


@model.command("train", epilog="Examples: battery-lake model train | ... train --json")
def model_train(context: typer.Context, json: AsJson = False) -> None:
    """Fit the prior to gold's history, judge it on packs left out, and register it as challenger."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.models.store import addresses
    from battery_lake.models.training import train

    settings, examples, versions = _examples(context)
    made = train(settings, examples, versions)
    if json:
        as_json(made)
        return
    typer.echo(f"{made.model}/{made.version} is the challenger now, run {made.run_id}")
    rows = [(name, round(value, 4)) for name, value in made.metrics.items()]
    as_table("", ("metric", "value"), [(name, f"{value:g}") for name, value in rows])
    typer.echo(f"look at it: mlflow ui --backend-store-uri {addresses(settings).tracking}")


@model.command("compare", epilog="Examples: battery-lake model compare | ... compare --version 2 --json")
def model_compare(context: typer.Context, version: Version = "", json: AsJson = False) -> None:
    """Judge the challenger against the champion on the same packs; changes nothing."""
    from battery_lake.models.promotion import compared

    settings, examples, _ = _examples(context)
    verdict = compared(settings, examples, version)
    _tell(verdict, json=json)


@model.command("promote", epilog="Examples: battery-lake model promote | ... promote --version 2 --json")
def model_promote(context: typer.Context, version: Version = "", json: AsJson = False) -> None:
    """Make the challenger champion if it is better; ends with 5 where it is refused."""
    from battery_lake.models.promotion import promote

    settings, examples, _ = _examples(context)
    verdict = promote(settings, examples, version)
    _tell(verdict, json=json)
    if not verdict.passes:
        raise typer.Exit(REFUSED)
    if not json:
        typer.echo(f"version {verdict.challenger} is the champion now; `model score` tells every pack anew")


@model.command("rollback", epilog="Examples: battery-lake model rollback | ... rollback --to shipped")
def model_rollback(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="A version's number, or shipped; else the one before.")] = "",
    json: AsJson = False,
) -> None:
    """Make the champion before the champion again."""
    from battery_lake.cli.show import as_json
    from battery_lake.models.promotion import roll_back

    before, now = roll_back(_settings(context), to)
    if json:
        as_json({"before": before, "champion": now})
    else:
        typer.echo(f"champion: {now} (before: {before})")


@model.command("list", epilog="Examples: battery-lake model list | battery-lake model list --json")
def model_list(context: typer.Context, json: AsJson = False) -> None:
    """Show all versions with their aliases and figures."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.models.promotion import listed
    from battery_lake.models.store import addresses

    settings = _settings(context)
    found = listed(settings)
    if json:
        as_json(found)
        return
    shown = ("packs", "loss_days", "shipped_loss_days", "coverage_frac", "calibration_error")
    rows = [
        (one.version, ", ".join(one.aliases), one.created_at, *(one.metrics.get(name) for name in shown))
        for one in found
    ]
    as_table("", ("version", "alias", "created", *shown), rows)
    typer.echo(f"look at all: mlflow ui --backend-store-uri {addresses(settings).tracking}")


@model.command(
    "score",
    epilog="Examples: battery-lake model score | battery-lake model score cells.jsonl --version 2 --json",
)
def model_score(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Features of cells, .parquet or one JSON object a line.")
    ] = None,
    version: Version = "",
    json: AsJson = False,
) -> None:
    """Tell every pack's newest day in gold anew by the champion; or, given a file, its cells."""
    from battery_lake.cli.show import as_json, as_table

    if file is None:
        from battery_lake.pipelines.health import rescore

        _settings(context)
        counts = rescore(options(context).lake())
        if json:
            as_json(counts)
        else:
            typer.echo(f"{counts.rows_kept:,} rows of cells are told anew")
        return
    from battery_lake.models.export import chosen
    from battery_lake.models.scoring import read_features, score

    settings = _settings(context)
    rows: list[dict[str, Any]] = score(settings, chosen(settings, version), read_features(file)).to_pylist()
    if json:
        as_json(rows)
    else:
        as_table("", list(rows[0]) if rows else [], [list(row.values()) for row in rows])


@model.command("serve", epilog="Examples: battery-lake model serve | battery-lake model serve --port 8080")
def model_serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="On which port.")] = 5001,
    version: Version = "",
) -> None:
    """Serve the champion by MLflow's own server until Ctrl-C: POST features to /invocations."""
    from battery_lake.models.export import serve

    raise typer.Exit(serve(_settings(context), host, port, version))


@model.command(
    "export", epilog="Examples: battery-lake model export ./rul | ... export ./rul --version 2 --json"
)
def model_export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="New or empty; becomes the container's context.")],
    version: Version = "",
    json: AsJson = False,
) -> None:
    """Write the champion as a folder that a container is built from."""
    from battery_lake.cli.show import as_json
    from battery_lake.models.export import export

    made = export(_settings(context), folder, version)
    if json:
        as_json(made)
    else:
        typer.echo(f"{made.model} is in {made.folder}: docker build -t battery-rul {made.folder}")


def _tell(verdict: Verdict, *, json: bool) -> None:
    from battery_lake.cli.show import as_json, as_table

    if json:
        as_json({"passes": verdict.passes, **{name: getattr(verdict, name) for name in verdict.__slots__}})
        return
    loss, calibration = verdict.comparison.loss_days, verdict.comparison.calibration
    rows = [
        ("loss_days", *map(_figure, (*verdict.loss_days, loss.mean, loss.low, loss.high))),
        (
            "calibration_error",
            *map(_figure, (*verdict.calibration_error, calibration.mean, calibration.low, calibration.high)),
        ),
        ("coverage_frac", *map(_figure, verdict.coverage_frac), "", "", ""),
    ]
    columns = (
        "figure", f"champion {verdict.champion}", f"challenger {verdict.challenger}", "change", "low", "high",
    )  # fmt: skip
    as_table(f"on {verdict.comparison.packs} packs, 95 % interval over packs", columns, rows)
    for reason in verdict.reasons:
        typer.echo(f"refused: {reason}")
    if verdict.passes:
        typer.echo("better: more accurate, and calibrated")


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 1.0 else f"{value:.1f}"
