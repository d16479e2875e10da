"""Gold and, where it is known, the truth beside it: what the report and the demo's summary are made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cli.packs import pack_named
from battery_lake.clock import utc_now
from battery_lake.lake.look import looking_at
from battery_lake.pipelines.export_passports import file_name
from battery_lake.pipelines.sinks_held import sinks_held
from battery_lake.report.certificate import render_certificate
from battery_lake.report.html import days_of, render
from battery_lake.report.load import load
from battery_lake.report.load_certificate import load_certificate
from battery_lake.report.selection import WEAKEST, Selection

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.report.certificate import CertificateData
    from battery_lake.report.data import ReportData


def read_report_data(lake: Lake, selection: Selection = WEAKEST) -> ReportData:
    """Read what the report shows; tables that nothing has filled yet are empty."""
    return load(
        looking_at(lake),
        generated_at=utc_now(),
        location=lake.settings.lake.catalog or str(lake.settings.home.absolute()),
        truth=truth(lake),
        selection=selection,
        eol_soh_pct=lake.settings.health.eol_soh_pct,
        alert_limits=lake.settings.alerts,
        sinks=[dataclasses.asdict(held) for held in sinks_held(lake)],
    )


def write_report(lake: Lake, out: Path | None, since: dt.date | None) -> Path:
    """Write the report and return its path; without a day it is compared with the one that it replaces."""
    path = out or report_path(lake)
    days = days_of(path) if since is None else (since,)
    return render(read_report_data(lake, Selection(earlier_days=days)), path)


def write_certificate(lake: Lake, pack_id: str, out: Path | None) -> Path:
    """Write the certificate of a pack and return its path."""
    data = read_certificate_data(lake, pack_id)
    return render_certificate(data, out or lake.settings.home / "certificates" / f"{file_name(pack_id)}.html")


def read_certificate_data(lake: Lake, pack_id: str) -> CertificateData:
    """Read what the certificate of a pack shows.

    Raises
    ------
    BatteryLakeError
        No pack has that name.
    """
    pack, settings = pack_named(lake, pack_id), lake.settings
    return load_certificate(
        looking_at(lake),
        pack,
        generated_at=utc_now(),
        location=settings.lake.catalog or str(settings.home.absolute()),
        eol_soh_pct=settings.health.eol_soh_pct,
    )


def report_path(lake: Lake) -> Path:
    """Return where the report stands unless a place is named."""
    return lake.settings.home / "reports" / "report.html"


def truth(lake: Lake) -> DataFrame | None:
    """True SOH of cells that were measured or simulated: set_name, cell_id, as_of_date, soh_pct."""
    root = Path(lake.settings.home).absolute() / "truth"
    frames = []
    if any((root / "replay").glob("*.parquet")):
        measured = lake.spark.read.parquet(str(root / "replay"))
        frames.append(measured.withColumn("set_name", F.concat(F.lit("measured "), "pack_id")))
    if any((root / "fleet").glob("*.parquet")):
        chemistry = looking_at(lake)("reference.packs").select("pack_id", "chemistry")
        simulated = lake.spark.read.parquet(str(root / "fleet")).join(chemistry, on="pack_id", how="inner")
        frames.append(simulated.withColumn("set_name", F.concat(F.lit("simulated "), "chemistry")))
    if not frames:
        return None
    columns = ("set_name", "cell_id", "as_of_date", "soh_pct")
    whole = frames[0].select(*columns)
    for frame in frames[1:]:
        whole = whole.unionByName(frame.select(*columns))
    return whole
