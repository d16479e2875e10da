"""The house rules that no tool knows: sizes, places, words that are forbidden, one writer a table."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from battery_lake.pipelines.registry import ERRANDS, JOBS, PIPELINES
from battery_lake.serving.markdown import WRITTEN_OTHERWISE
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "battery_lake"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES, FUNCTION_LINES, FUNCTION_LINES_P90, JOB_LINES = 400, 60, 40, 20

ROOT_ENTRIES = {
    ".ci", ".gitignore", "ARCHITECTURE.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE",
    "Makefile", "README.md", "SECURITY.md", "benchmarks", "bundles", "dashboards", "databricks.yml", "docs",
    "expectations", "grafana", "jobs", "kql", "notebooks", "ontology", "powerbi", "pyproject.toml",
    "requirements", "src", "tests", "zensical.toml",
}  # fmt: skip

FORBIDDEN_METHODS = {
    "rdd", "sparkContext", "sqlContext", "_sc", "_jsc", "_jvm", "_jdf", "_jsparkSession", "cache", "persist",
    "unpersist", "cacheTable", "uncacheTable", "clearCache", "isCached", "localCheckpoint", "checkpoint",
    "createGlobalTempView", "createOrReplaceGlobalTempView", "registerJavaFunction", "registerJavaUDAF",
    "addFile", "addPyFile", "parallelize", "accumulator", "hadoopConfiguration", "setLogLevel",
    "input_file_name", "foreach", "foreachPartition", "toPandas", "toLocalIterator", "collect",
}  # fmt: skip
"""What serverless compute, standard access mode or Spark Connect refuse, or what pulls rows to the driver."""

OTHERS_OF_THAT_NAME = {
    "checkpoint": {"lake", "self", "Lake", "report"},  # a folder for a stream, and what is said of it
    "cache": {"functools"},
    "collect": {"gc"},
}
"""Members of the same name that are no frame's, by whose they are."""

FORBIDDEN_MODULES = re.compile(r"py4j|pyspark\.(rdd|streaming|mllib|ml|pandas|sql\.context)\b|delta\.tables")
FORBIDDEN_NAMES = {"SparkContext", "SparkConf", "SQLContext", "HiveContext", "StreamingContext"}
FORBIDDEN_SQL = re.compile(
    r"\b(UN)?CACHE (LAZY )?TABLE\b|\bCLEAR CACHE\b|\bGLOBAL TEMP|\bglobal_temp\.|^\s*(RE)?SET spark\."
    r"|\bADD (JAR|FILE)\b"
)
"""The same in imports, and in SQL."""

ALLOWED_METHODS = {
    ("cli/packs.py", "collect"): "a few rows of one pack, for the screen",
    ("cli/look.py", "collect"): "one row a pipeline, for the screen",
    ("cli/mapping_check.py", "collect"): "sample messages, limited, for the screen",
    ("cli/run.py", "collect"): "counts by reason, limited, for the screen",
    ("lake/changes.py", "collect"): "one row: first and last instant of the changes",
    ("lake/conform.py", "collect"): "one row: how many nulls",
    ("lake/newest.py", "collect"): "one row: between which names packs are still looked for",
    ("lake/reach.py", "collect"): "one row: from where the packs go on",
    ("lake/maintain.py", "collect"): "one row: files and bytes of a table",
    ("lake/observed.py", "collect"): "one row: aggregates",
    ("lake/versions.py", "collect"): "one row: the newest version",
    ("lake/write.py", "collect"): "one row: what a MERGE says that it did",
    ("pipelines/export_passports.py", "collect"): "a page of packs at a time",
    ("pipelines/backfill.py", "collect"): "the vehicles that were asked for",
    ("pipelines/forget.py", "collect"): "the packs that one vehicle ever carried",
    ("pipelines/ingest.py", "collect"): "one row a partition of the hub",
    ("pipelines/kpis.py", "collect"): "one row: the newest day that is told",
    ("pipelines/twin_delivery.py", "collect"): "one row an outcome; a few changes to show",
    ("pipelines/twin_marks.py", "collect"): "one row a followed table and generation",
    ("pipelines/quality.py", "collect"): "one row a table, and the batches that are held back",
    ("pipelines/reference.py", "collect"): "a few rows of a reference file: faults, repeated keys, curves",
    ("pipelines/refine.py", "collect"): "one row: first and last enqueued time",
    ("pipelines/settle.py", "collect"): "one row, and one a verdict",
    ("pipelines/stream.py", "collect"): "one row: what the batches of a query did",
    ("quality/gate.py", "collect"): "one row: the version up to which everything passed",
    ("report/load.py", "collect"): "one row of totals, and a few version names",
    ("report/load_alerts.py", "collect"): "one row: how many were raised and cleared",
    ("report/load_changes.py", "collect"): "one row: how many packs changed",
    ("report/load_certificate.py", "collect"): "newest rows and open alerts of one pack",
    ("report/load_cells.py", "collect"): "the ids of a few packs to draw",
    ("report/load_ops.py", "collect"): "one row: newest instant",
    ("sources/files/lines.py", "collect"): "one row a file block, without its lines",
}
"""Where a forbidden member stands all the same, and why it is small."""

SEVERAL_WRITERS = {
    "gold.alert": "a pipeline writes alerts of its own codes, so that heat does not wait for ageing",
}
"""Tables that more than one pipeline writes, and why none touches what another wrote."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def in_git(*arguments: str) -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("no git repository: the tree is an archive")
    found = subprocess.run(
        ["git", "ls-files", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return found.stdout.splitlines()


def layers() -> list[str]:
    contracts = project()["tool"]["importlinter"]["contracts"]
    return next(c for c in contracts if c["type"] == "layers")["layers"]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without decorators and docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


# --- sizes and words ---------------------------------------------------------------------------------


def test_no_file_is_too_long() -> None:
    files = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "jobs").glob("*.py")]
    long = {str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text().splitlines())) > FILE_LINES}
    assert not long


def test_no_function_is_too_long_and_most_are_short() -> None:
    lengths = {f"{place(f)}:{node.name}": length(node) for f in SOURCES for node in functions(parsed(f))}
    assert not {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES}
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= FUNCTION_LINES_P90


def public_without_docstring(path: Path) -> Iterator[str]:
    tree = parsed(path)
    if path.name != "__init__.py" and ast.get_docstring(tree) is None:
        yield f"{place(path)}: the module"
    waiting: list[ast.AST] = [tree]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                yield f"{place(path)}: {node.name}"
            if isinstance(node, ast.ClassDef):
                waiting.append(node)


def test_every_public_name_has_a_docstring() -> None:
    assert not [name for path in SOURCES for name in public_without_docstring(path)]


def test_a_job_is_a_few_lines_and_runs_a_registered_job() -> None:
    files = sorted((ROOT / "jobs").glob("*.py"))
    assert {f.stem for f in files} == {*JOBS, *ERRANDS}
    assert not [f.name for f in files if len(f.read_text().splitlines()) > JOB_LINES]


# --- places ------------------------------------------------------------------------------------------


def test_every_package_has_a_layer() -> None:
    placed = {name.strip() for layer in layers() for name in layer.split("|")}
    ignored = {"__main__", "local", "simulate", "__init__"}
    found = {
        path.stem
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    }
    assert found - ignored == placed


def test_the_root_holds_nothing_unknown() -> None:
    assert {name.split("/")[0] for name in in_git()} <= ROOT_ENTRIES


def test_architecture_names_the_layers_that_are_enforced() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- layers -->\n```[a-z]*\n(.*?)```", text, flags=re.DOTALL)
    assert block
    assert [line.strip() for line in block.group(1).strip().splitlines()] == layers()


@pytest.mark.parametrize("name", sorted({name for p in PIPELINES.values() for name in p.writes}))
def test_a_written_table_is_found_by_its_name(name: str) -> None:
    layer, short = name.split(".")
    made_in = {"ops": "bronze"}.get(layer, layer)  # what is lost on the way in is told there
    module = PACKAGE / made_in / f"{short}.py"
    assert module.exists(), f"{name} must be made in {place(module)}"
    if layer == "gold":
        assert short in {f.name for f in functions(parsed(module))}, f"{place(module)} must define {short}"
    assert f'"{name}"' in (PACKAGE / "tables" / f"{layer}.py").read_text(encoding="utf-8")
    assert f"\n## {name}\n" in (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")


# --- flow --------------------------------------------------------------------------------------------


def test_every_table_has_exactly_one_writer() -> None:
    writers = Counter(name for pipeline in PIPELINES.values() for name in pipeline.writes)
    assert {name for name, count in writers.items() if count > 1} == set(SEVERAL_WRITERS)
    assert set(writers) | set(WRITTEN_OTHERWISE) == set(TABLES)
    assert not set(writers) & set(WRITTEN_OTHERWISE)


def test_no_pipeline_reads_what_a_later_one_writes() -> None:
    order = list(PIPELINES.values())
    for place_, pipeline in enumerate(order):
        later = {name for other in order[place_:] for name in other.writes}
        assert not set(pipeline.reads) & later, pipeline.name


def test_every_pipeline_belongs_to_one_job() -> None:
    assert [p.name for job in JOBS.values() for p in job] == list(PIPELINES)


# --- what no module may do ---------------------------------------------------------------------------


def owner(node: ast.expr) -> str:
    """The last word of what a member is asked of: ``lake`` of ``self.lake``, ``Lake`` of ``Lake(...)``."""
    if isinstance(node, ast.Call):
        return owner(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def forbidden(tree: ast.AST) -> Iterator[str]:
    """What of a module works here and not on serverless compute, or not within standard access mode."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            of = owner(node.value)
            if node.attr in FORBIDDEN_METHODS and of not in OTHERS_OF_THAT_NAME.get(node.attr, ()):
                yield node.attr
            if node.attr in {"set", "unset"} and of == "conf":
                yield f"conf.{node.attr}"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            modules = [f"{node.module}."] if isinstance(node, ast.ImportFrom) else []
            names = [alias.name for alias in node.names]
            yield from (name for name in names if name in FORBIDDEN_NAMES)
            yield from (name for name in (*modules, *names) if FORBIDDEN_MODULES.match(name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (found[0].strip() for found in FORBIDDEN_SQL.finditer(node.value))


def test_no_forbidden_member_outside_its_allowed_place() -> None:
    used = {
        (place(path), name)
        for path in SOURCES
        if place(path) != "session.py"  # builds the local session, which has a context of its own
        for name in forbidden(parsed(path))
    }
    assert used - set(ALLOWED_METHODS) == set()
    assert set(ALLOWED_METHODS) - used == set(), "allowed for nothing: take it off the list"
    assert not [name for path in (ROOT / "jobs").glob("*.py") for name in forbidden(parsed(path))]


@pytest.mark.parametrize(
    "text",
    [
        "spark.conf.set('spark.sql.ansi.enabled', 'false')",
        "frame.sparkSession.conf.unset('a.b')",
        "frame.checkpoint()",
        "frame.select('a').localCheckpoint()",
        "lake.read('gold.alert').checkpoint()",
        "frame.cache()",
        "frame.persist()",
        "frame.rdd.mapPartitions(f)",
        "spark.sparkContext.broadcast(a)",
        "spark._jvm.java",
        "frame.createOrReplaceGlobalTempView('a')",
        "spark.catalog.cacheTable('a')",
        "spark.udf.registerJavaFunction('a', 'b')",
        "F.input_file_name()",
        "from pyspark import SparkContext",
        "from pyspark.streaming import DStream",
        "import py4j.java_gateway",
        "from pyspark.ml.feature import PCA",
        "spark.sql('SET spark.sql.ansi.enabled = false')",
        "spark.sql(f'CACHE TABLE {name}')",
        "spark.sql('SELECT * FROM global_temp.a')",
        "spark.sql('CREATE GLOBAL TEMPORARY VIEW a AS SELECT 1')",
    ],
)
def test_a_forbidden_call_would_be_noticed(text: str) -> None:
    assert list(forbidden(ast.parse(text)))


@pytest.mark.parametrize(
    "text",
    [
        "lake.checkpoint('a')", "self.lake.checkpoint('a')", "spark.conf.get('a.b')", "gc.collect()",
        "functools.cache(f)", "F.broadcast(frame)", "from pyspark.sql import functions as F",
        "kept(lake, 'a', frame)", "seen.set(1)",
    ],
)  # fmt: skip
def test_what_only_sounds_like_one_is_let_through(text: str) -> None:
    assert not list(forbidden(ast.parse(text)))


def test_only_settings_session_and_the_lake_know_where_they_run() -> None:
    asked = re.compile(r"\bis_local\b|\bif (not )?local\b|DATABRICKS_RUNTIME_VERSION|lake\.catalog")
    knowing = {place(path) for path in SOURCES if asked.search(path.read_text(encoding="utf-8"))}
    assert knowing <= {
        "session.py",
        "log.py",  # JSON for machines
        "cli/doctor.py",  # says what it found
        "lake/access.py",  # the address of a table
        "lake/create.py",  # a catalog's schema is created first
        "cli/reporting.py",  # names the place in the report
        "cli/bundle_run.py",  # takes a run on this machine out of the catalog
    }


def test_transforms_and_science_have_no_parameter_of_the_outside() -> None:
    pure = [path for path in SOURCES if place(path).split("/")[0] in {"bronze", "silver", "gold", "cells"}]
    impure = {"spark", "lake", "settings", "session_"}
    found = {
        f"{place(path)}:{function.name}"
        for path in pure
        for function in functions(parsed(path))
        if impure & {argument.arg for argument in function.args.args}
    }
    assert not found


def test_help_imports_neither_numpy_nor_pyspark() -> None:
    script = (
        "import sys; sys.argv = ['battery-lake', '--help']\n"
        "from battery_lake.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'pyspark', 'scipy', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage: battery-lake" in done.stdout


def test_no_file_holds_a_path_of_a_machine_or_the_address_of_a_registry() -> None:
    hosts = "py@pi.org python@hosted.org repo1@.maven repo@.maven npm@js.org".replace("@", "").split()
    folders = "/@work/ /@root/ /@home/".replace("@", "").split()
    alternatives = [*map(re.escape, hosts), *(rf"(?<![\w.~}}]){folder}" for folder in folders)]
    words = re.compile("|".join(alternatives))
    found = {}
    for name in in_git("--cached", "--others", "--exclude-standard"):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if hit := words.search(text):
            found[name] = text[max(hit.start() - 20, 0) : hit.end() + 30]
    assert not found
