from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

import battery_lake.cli.app  # noqa: F401  adds the commands to the app
from battery_lake.cli.base import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAVY = ("numpy", "pandas", "pyarrow", "pyspark")

ASK_ALL = """
import contextlib, io, json, sys
from battery_lake.cli.app import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["battery-lake", *words, "--help"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


ROOT: Any = typer.main.get_command(app)
COMMANDS = list(commands(ROOT))
GROUPS = [(), ("reference",), ("quarantine",)]


def examples(words: tuple[str, ...]) -> list[str]:
    command = ROOT
    for word in words:
        command = command.commands[word]
    head, *listed = re.split(r"Examples: | \| ", command.epilog)
    assert not head
    return listed


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_says_what_a_command_does_and_shows_two_examples(
    words: tuple[str, ...], run: Callable[..., Any]
) -> None:
    shown = run(*words, "--help")
    assert shown.code == 0
    flat = " ".join(shown.out.split())
    assert f"battery-lake {' '.join(words)} [OPTIONS]" in flat
    assert len(examples(words)) >= 2
    assert " ".join(["Examples:", " | ".join(examples(words))]) in flat


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_of_an_example_exists(words: tuple[str, ...], run: Callable[..., Any]) -> None:
    for example in examples(words):
        typed = shlex.split(example)
        arguments = [*words[:-1], *typed[1:]] if typed[0] == "..." else typed[1:]
        assert " ".join(words) in " ".join(arguments), example
        shown = run(*arguments, "--help")
        assert shown.code == 0, f"{example}: {shown.err}"


def test_help_loads_no_heavy_package() -> None:
    asked = json.dumps([*GROUPS, *COMMANDS])
    done = subprocess.run([sys.executable, "-c", ASK_ALL, asked], capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "typer" in loaded
    assert not set(HEAVY) & set(loaded)


def test_no_argument_at_all_shows_the_commands(run: Callable[..., Any]) -> None:
    shown = run()
    assert shown.code in {0, 2}
    told = shown.out + shown.err
    assert all(words[0] in told for words in COMMANDS)


def test_the_version_is_one_word_on_stdout(run: Callable[..., Any]) -> None:
    shown = run("--version")
    assert (shown.code, shown.err) == (0, "")
    assert len(shown.out.split()) == 1
