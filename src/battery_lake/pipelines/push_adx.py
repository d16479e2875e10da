"""Gold to Data Explorer: what has changed since the last push, exactly once."""

from __future__ import annotations

import datetime as dt
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import monotonic_s, utc_now
from battery_lake.errors import DataLossError, SettingsError
from battery_lake.lake.create import ensure
from battery_lake.lake.versions import identity, latest_version, rows_at
from battery_lake.log import logger
from battery_lake.pipelines.model import Counts, Pipeline, RunResult
from battery_lake.pipelines.stream import account
from battery_lake.quality.gate import released_until
from battery_lake.serving.explorer import PUSHED
from battery_lake.serving.kql import MAPPING
from battery_lake.sinks.adx.changes import newest_changes, standing
from battery_lake.sinks.adx.delivery import Delivered, Target, queued, streamed, tag_of
from battery_lake.sinks.adx.progress import EMPTYING, Staged, State
from battery_lake.sinks.adx.progress import Progress as Pushes
from battery_lake.sinks.failures import keep, settle, settle_rows, waiting

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Progress
    from battery_lake.serving.explorer import Pushed
    from battery_lake.settings import Settings
    from battery_lake.sinks.adx.client import ExplorerClient

SINK: Final = "adx"
FILE_BYTES: Final = 512 * 1024 * 1024
"""Uncompressed size of a file, about: the service works best with 100 MB to 1 GB."""
_ARRAY_BYTES, _VALUE_BYTES = 800, 12
_NEVER: Final = -1
OPS: Final = ("ops.delivery_failure", "ops.batch")
"""Tables that tell of a push."""


@dataclass(frozen=True, slots=True)
class Push:
    """A push of one table.

    Parameters
    ----------
    lake
        The tables.
    client
        The database.
    pushed
        The table.
    """

    lake: Lake
    client: ExplorerClient
    pushed: Pushed

    @property
    def name(self) -> str:
        """The table in the lake."""
        return self.pushed.contract.name

    @property
    def place(self) -> str:
        """Where among the checkpoints it is remembered: in a folder of the database's own."""
        settings = self.lake.settings.adx
        database = "".join(c if c.isalnum() else "_" for c in f"{settings.cluster}_{settings.database}")
        return f"push_adx/{database}/{self.pushed.name}"

    @property
    def pushes(self) -> Pushes:
        """What is remembered of the table."""
        return Pushes(Path(self.lake.checkpoint(self.place)))

    @property
    def target(self) -> Target:
        """Where its rows go."""
        return Target(self.client, self.pushed.landing, MAPPING)

    @property
    def columns(self) -> list[str]:
        """The columns that are pushed."""
        return [column.name for column in self.pushed.columns]


def pushed_tables(lake: Lake, names: tuple[str, ...] = ()) -> list[Pushed]:
    """Return the tables that are pushed.

    Parameters
    ----------
    lake
        Its settings name them.
    names
        Only these; empty: all that the settings name.

    Raises
    ------
    SettingsError
        A name is none of a table that can be pushed.
    """
    known = {pushed.name: pushed for pushed in PUSHED.values()}
    wanted = names or lake.settings.adx.table_names
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise SettingsError(f"{name} is no table that can be pushed", remedy=hint)
    return [known[name] for name in wanted]


def explorer(settings: Settings) -> ExplorerClient:
    """Return the database that the settings name.

    Raises
    ------
    SettingsError
        They name none.
    """
    adx = settings.adx
    if not adx.cluster:
        raise SettingsError(
            "no Data Explorer is set",
            remedy="set adx.cluster; `battery-lake local up` starts one on this machine",
        )
    from battery_lake.sinks.adx.client import ExplorerClient  # noqa: PLC0415 - a second of imports, an extra

    return ExplorerClient(adx.cluster, adx.database, adx.credential)


def push(lake: Lake, client: ExplorerClient, pushed: Pushed) -> Counts:
    """Push what is new of a table; after a killed run, first what that one left.

    Parameters
    ----------
    lake
        The tables.
    client
        The database.
    pushed
        The table.

    Raises
    ------
    DataLossError
        The table is another one than before.
    RemoteError
        Data Explorer does not answer, or has not taken everything in time.
    """
    one, table_id = _ready(lake, client, pushed)
    counts = sum((_deliver(one, table_id, staged) for staged in one.pushes.waiting(table_id)), Counts())
    state = one.pushes.state()
    last = _last_version(one, table_id)
    before = _NEVER if state is None else state.version
    if last <= before:
        return counts
    rows = _rows(one, state, last)
    label = f"{last:012d}" if state else f"{last:012d}-all"
    return counts + _deliver(one, table_id, _staged(one, label, table_id, rows))


def push_days(lake: Lake, client: ExplorerClient, pushed: Pushed, since: dt.date, until: dt.date) -> Counts:
    """Push a table's rows of some days once more, as they stand now; nothing is there twice.

    Parameters
    ----------
    lake, client, pushed
        As of :func:`push`.
    since, until
        First day, and the day after the last. UTC.

    Raises
    ------
    SettingsError
        The table's rows are of no day.
    RemoteError
        Data Explorer does not answer, or has not taken everything in time.
    """
    contract = pushed.contract
    dated = [name for name in contract.key if contract.column_by_name[name].type in {"date", "timestamp"}]
    if not dated:
        raise SettingsError(f"{contract.name} has no day in its key", remedy="push it whole: --anew")
    _seen_once(pushed, since)
    one, table_id = _ready(lake, client, pushed)
    last = _last_version(one, table_id)
    if last == _NEVER:
        return Counts()
    day = F.to_date(F.col(dated[0]))
    rows = standing(rows_at(lake, one.name, last), last, one.columns).where((day >= since) & (day < until))
    label = f"{last:012d}-days-{since:%Y%m%d}-{until:%Y%m%d}"
    return _deliver(one, table_id, _staged(one, label, table_id, rows))


def push_anew(lake: Lake, client: ExplorerClient, pushed: Pushed) -> Counts:
    """Empty a table in Data Explorer and push it whole; a run that is killed is finished by the next push.

    Parameters
    ----------
    lake, client, pushed
        As of :func:`push`.

    Raises
    ------
    RemoteError
        As of :func:`push`.
    """
    Push(lake, client, pushed).pushes.remember(EMPTYING)
    return push(lake, client, pushed)


def push_refused(lake: Lake, client: ExplorerClient, pushed: Pushed) -> Counts:
    """Send once more what was refused, after its cause was mended.

    Parameters
    ----------
    lake, client, pushed
        As of :func:`push`.

    Raises
    ------
    DataLossError, RemoteError
        As of :func:`push`.
    """
    one, table_id = _ready(lake, client, pushed)
    files = one.pushes.refused()
    told = _sent(one, files, table_id)
    keep(lake, SINK, told.failures)
    done = [tag for tag in files if tag not in told.refused_tags]
    settle(lake, SINK, [f"{pushed.landing}/{tag}" for tag in done])
    for tag in done:
        files[tag].unlink()
    return Counts(told.rows, told.rows - told.refused_rows, told.refused_rows)


def _ready(lake: Lake, client: ExplorerClient, pushed: Pushed) -> tuple[Push, str]:
    """Make ready for a push: tables, what a killed ``--anew`` left to do, and the table's identity.

    Raises
    ------
    DataLossError
        The table is another one than before.
    """
    one = Push(lake, client, pushed)
    ensure(lake, (one.name, "gold.data_quality", *OPS))
    if one.pushes.state() == EMPTYING:
        _empty(one)
    table_id, state = identity(lake, one.name), one.pushes.state()
    if state is not None and state.table_id != table_id:
        raise DataLossError(
            f"{one.name} was made anew since the last push",
            why="its versions count from 0 again, and what Data Explorer has would seem newer",
            remedy=f"battery-lake adx push --anew --table {pushed.name}",
        )
    return one, table_id


def _empty(one: Push) -> None:
    """Empty a table in Data Explorer; then forget what was pushed, refused or on its way."""
    one.client.manage(f".clear materialized-view {one.pushed.latest} data")
    one.client.manage(f".clear table {one.pushed.landing} data")
    refused = waiting(one.lake, SINK).where(F.col("item_key").startswith(f"{one.pushed.landing}/"))
    settle_rows(one.lake, SINK, refused.select("item_key"))
    one.pushes.forget()


def _seen_once(pushed: Pushed, since: dt.date) -> None:
    """See that a view still compares rows of a day with those that come: it looks back a while only.

    Raises
    ------
    SettingsError
        It does not, so that every row would be seen twice.
    """
    first = utc_now().date() - dt.timedelta(days=pushed.lookback_days - 1)
    if pushed.lookback_days and since < first:
        raise SettingsError(
            f"{pushed.contract.name} cannot be pushed again from {since}",
            why=f"{pushed.latest} looks back {pushed.lookback_days} days: older rows would be seen twice",
            remedy=f"give --since {first} or later, or push it whole: --anew",
        )


def _sent(one: Push, files: dict[str, Path], prefix: str) -> Delivered:
    """Send files, by tag, in the way of their table."""
    if one.pushed.streaming:
        return streamed(one.target, files)
    return queued(one.target, files, prefix, one.lake.settings.adx.patience_s)


def _deliver(one: Push, table_id: str, staged: Staged) -> Counts:
    """Send what was written down, then remember, then forget the files."""
    began, prefix = monotonic_s(), f"{table_id}-{staged.label}"
    told = _sent(one, {tag_of(prefix, file): file for file in staged.files}, prefix)
    _keep(one, told)
    version = int(staged.label[:12])
    counts = Counts(told.rows, told.rows - told.refused_rows, told.refused_rows)
    if "-days-" not in staged.label:
        # Of this database and since the last --anew: a table that was made anew counts from 0 again.
        generation = one.lake.generation(one.place)
        account(one.lake, (f"push_adx:{one.name}", generation, version), counts, monotonic_s() - began)
        one.pushes.remember(State(table_id, version))
    staged.drop()
    logger("push_adx").info("batch_committed", table=one.name, batch_id=version, rows=counts.rows_in)
    return counts


def _keep(one: Push, told: Delivered) -> None:
    """First the reason, then the file: killed between, the file is sent and refused once more."""
    keep(one.lake, SINK, told.failures)
    for tag, file in told.refused_files.items():
        one.pushes.refuse(file, tag)
    for tag, lines in told.refused_lines.items():
        one.pushes.refuse_lines(lines, tag)


def _rows(one: Push, state: State | None, last: int) -> DataFrame:
    """What a push brings: the whole table the first time, then the changes."""
    if state is None:
        return standing(rows_at(one.lake, one.name, last), last, one.columns)
    changed = one.lake.changed(one.name, state.version + 1, last)
    return newest_changes(changed, one.pushed.contract.key, one.columns)


def _staged(one: Push, label: str, table_id: str, rows: DataFrame) -> Staged:
    """Write rows down, in files of a size that the service likes."""
    width = sum(_ARRAY_BYTES if "<" in column.type else _VALUE_BYTES for column in one.pushed.columns)
    files = 1 + rows.count() * width // FILE_BYTES
    spread = rows.coalesce(1) if files == 1 else rows.repartition(files)
    return one.pushes.stage(label, table_id, lambda folder: spread.write.mode("overwrite").parquet(folder))


def _last_version(one: Push, table_id: str) -> int:
    """The last version that may leave: nothing goes out past a version that is not checked or has failed."""
    if not one.lake.settings.adx.checked_only:
        return latest_version(one.lake, one.name)
    return released_until(one.lake.read("gold.data_quality"), one.name, table_id)


def _run(lake: Lake, progress: Progress) -> RunResult:
    began = monotonic_s()
    result = RunResult("push_adx")
    with explorer(lake.settings) as client:
        for number, pushed in enumerate(pushed_tables(lake)):
            counts = push(lake, client, pushed)
            progress.batch("push_adx", number, counts.rows_in)
            result.batches += 1
            result.counts += counts
    result.seconds = monotonic_s() - began
    return result


PUSH_ADX = Pipeline("push_adx", reads=(*PUSHED, "gold.data_quality"), writes=(), step=_run)
