"""``tunesmith datasets doctor``: labels that look wrong, with the evidence for each."""

from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import count
from tunesmith.errors import UsageError

_SUSPICIONS = (
    Column("no.", right=True),
    Column("file", folds=True),
    Column("label"),
    Column("suggested"),
    Column("wrong", right=True),
    Column("evidence", folds=True, rank=1),
)


def _show(result: dict[str, Any]) -> None:
    if "table" in result:
        click.echo(
            f"{result['table']}: {count(result['corrections'], 'label')} to correct. Apply it: "
            f"tunesmith ingest … --name {result['dataset']} --corrections {result['table']}"
        )
        return
    suspicions = result["suspicions"]
    click.echo(
        f"{result['dataset']} {result['version']}: {len(suspicions):,} of "
        f"{count(result['pieces'], 'labelled piece')} may have a wrong label"
        + (f"; {result['judged']:,} judged by {result['family']}" if result["family"] else "")
        + "."
    )
    if rare := result["labels_too_rare"]:
        verb = "has" if len(rare) == 1 else "have"
        click.echo(f"{count(len(rare), 'label')} {verb} too little music for the model to judge.")
    if suspicions:
        print_table(
            _SUSPICIONS,
            [
                [
                    str(row["number"]),
                    row["path"].rsplit("/", 1)[-1],
                    row["label"],
                    row["suggested"],
                    f"{min(row['probability'], 0.99):.0%}",
                    row["reason"],
                ]
                for row in suspicions
            ],
        )
        click.echo(
            f"Accept: tunesmith datasets doctor {result['dataset']} --accept 1,2 (or in the page)"
        )
    click.echo(f"Page: {result['page']}")


def _numbers(text: str) -> list[int]:
    """Return the numbers of ``1,4,7`` and ``1-3,7``."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.strip().isdigit() and (not last or last.strip().isdigit())):
            message = f"--accept {text}: {part.strip()!r} is no number. Write 1,4,7 or 1-3,7."
            raise UsageError(message)
        numbers += range(int(first), int(last or first) + 1)
    return numbers


@command(show=_show, table=True, extras=("train",))
@click.argument("name")
@click.option("--version", metavar="HASH", help="Version  [the latest]")
@click.option(
    "--accept",
    metavar="1,4,7",
    help="Write these suspicions of the last list into a correction table for tunesmith ingest.",
)
@click.option(
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="The correction table to write  [NAME-corrections.csv]",
)
@click.option("--family", metavar="NAME", help="Model family that judges the pieces  [boosting]")
@click.option("--seed", type=int, default=0, metavar="N", help="Seed of the folds  [0]")
def main(
    *,
    store: str | None,
    name: str,
    version: str | None,
    accept: str | None,
    output: str | None,
    family: str | None,
    seed: int,
) -> dict[str, Any]:
    """List labels that look wrong, with the evidence for each.

    Files with the same music and another label, and the prediction of a model that has seen neither
    the piece nor its copies. Nothing is changed: accept suspicions by number or in the page, and
    ingest again with the correction table.

    \b
    Examples:
      tunesmith datasets doctor mine
      tunesmith datasets doctor mine --accept 1,4,7
      tunesmith ingest my-midi/ --name mine --corrections mine-corrections.csv
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.datasets.reader import open_dataset

    dataset = open_dataset(Store(store), name, version)
    if accept is not None:
        return _write_table(dataset, _numbers(accept), output or f"{name}-corrections.csv")
    if output is not None:
        message = "--output is the correction table: name the suspicions with --accept as well."
        raise UsageError(message)
    from tunesmith.evaluation.label_doctor import FAMILY, diagnose
    from tunesmith.reports.label_doctor import write_diagnosis

    diagnosis = diagnose(dataset, family=family or FAMILY, seed=seed, say=echo)
    page = write_diagnosis(dataset, diagnosis)
    suspicions = [{**s.json_object(), "reason": s.reason} for s in diagnosis.suspicions]
    return {**diagnosis.json_object(), "suspicions": suspicions, "page": page}


def _write_table(dataset: Any, numbers: list[int], output: str) -> dict[str, Any]:
    """Write the correction table of accepted suspicions."""
    from tunesmith.artifacts import layout
    from tunesmith.artifacts.corrections import corrections_csv
    from tunesmith.artifacts.suspicions import Diagnosis, accepted_corrections

    place = layout.dataset_version(dataset.name, dataset.version, layout.DIAGNOSIS)
    if not dataset.store.exists(*place):
        message = (
            f"There is no list of suspicions of {dataset.name} {dataset.version} yet. Make it: "
            f"tunesmith datasets doctor {dataset.name}"
        )
        raise UsageError(message)
    diagnosis = Diagnosis.read(dataset.store, *place)
    rows = accepted_corrections(diagnosis, numbers, dataset.manifest.corrections)
    try:
        Path(output).write_text(corrections_csv(rows), encoding="utf-8")
    except OSError as error:
        message = f"The correction table {output} cannot be written: {error}. Name another file."
        raise UsageError(message) from error
    return {
        "dataset": dataset.name,
        "version": dataset.version,
        "table": output,
        "corrections": len(rows),
    }
