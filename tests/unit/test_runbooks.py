"""The runbooks say what is there: commands, settings, alarms, metrics, ports, units, parts."""

import ast
import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from infra.cli.main import main
from infra.local import settings
from infra.local.settings import CHECKOUT, DEFAULT_BASE_PORT, PORT_OFFSETS, PORTS_PER_SHARD

BOOKS = sorted((CHECKOUT / "docs/RUNBOOKS").glob("*.md"))
PAGES = [book for book in BOOKS if book.name != "README.md"]
PARTS = ["How it shows", "What is safe", "It is over when", "Tried with"]
# What stands for a number, a name or a place in a command of a book.
STANDS_FOR = {"SEQ": "7", "ORDER_ID": "7", "N": "7"}
# Words in capitals that are answers of the gateway or names of topics, not settings.
ANSWERS = {"ENGINE_BUSY", "ENGINE_HALTED"}
_SETTING = re.compile(r"\b(?:TRADING|STREAM|STANDBY|ENGINE|PUBLISHER|REPLICATOR|KAFKA)_[A-Z_]+\b")


def text(book: Path) -> str:
    return book.read_text(encoding="utf-8")


def snippets(book: Path) -> Iterator[str]:
    """Yield what stands in code: inline, and each line of a block without its prompt."""
    prose = []
    for line in text(book).splitlines():
        if re.match(r" {4,}\$ ", line):
            yield line.strip().removeprefix("$ ")
        else:
            prose.append(line)
    yield from (found.replace("\n", " ") for found in re.findall(r"`([^`]+)`", "\n".join(prose)))


def commands(book: Path) -> Iterator[tuple[dict[str, str], list[str]]]:
    """Yield each `trading …` with the variables before it, up to a pipe, `;` or redirection."""
    for snippet in snippets(book):
        if not re.match(r"([A-Z_]+=\S+ )*(\S*/)?trading [a-z]", snippet):
            continue
        words = shlex.split(re.split(r"\s*[|;>]\s", snippet)[0].replace(" …", ""))
        given = {}
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            given[name] = value
        yield given, words[1:]


def parse(
    command: click.Command, name: str, words: list[str], parent: click.Context | None
) -> None:
    """Parse as the program does, down to the last subcommand; run nothing."""
    with command.make_context(name, list(words), parent=parent) as context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            found, subcommand, left = command.resolve_command(context, rest)
            assert subcommand is not None
            parse(subcommand, found or "", left, context)


ALL = [(book.name, *found) for book in BOOKS for found in commands(book)]


def test_commands_are_found() -> None:
    assert len(ALL) > 30
    assert {words[0] for _, _, words in ALL} >= {"up", "status", "journal", "upgrade", "waiting"}


@pytest.mark.parametrize(("book", "given", "words"), ALL)
def test_every_command_parses(
    book: str, given: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    words = [STANDS_FOR.get(word, word) for word in words]
    for place, word in enumerate(words):
        if place and words[place - 1] == "--journal":
            assert word.startswith("/"), f"{book}: {word}"
            words[place] = str(tmp_path)
    parse(main, "trading", words, None)


@pytest.mark.parametrize(("book", "given", "words"), ALL)
def test_what_is_set_for_a_command_can_be(
    book: str, given: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    settings.load({"TRADING_STATE": str(tmp_path), **given})
    assert given.keys() <= names_that_are_read("infra/local"), book


@functools.cache
def names_that_are_read(*folders: str) -> set[str]:
    """Return all strings in the code that look like names of settings."""
    found: set[str] = set()
    for folder in folders:
        for file in (CHECKOUT / folder).rglob("*.py"):
            found |= {
                node.value
                for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"[A-Z_]+", node.value)
            }
    return found


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_every_setting_is_read(book: Path) -> None:
    named = set(_SETTING.findall(text(book))) - ANSWERS
    assert named <= names_that_are_read("infra/local", "hotpath", "shared")


def alarms() -> set[str]:
    """Return the names of all alarms; those that are made of a number or name as for shard 0."""
    rules = yaml.safe_load((CHECKOUT / "infra/prometheus/alerts.yaml").read_text("utf-8"))
    found = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    stack = (CHECKOUT / "stacks/observability.py").read_text("utf-8")
    for name in re.findall(r'Watch\(\s*f?"([^"]+)"', stack):
        made_for = ["core", "clearing"] if "{name}" in name else ["0", "2"]
        found |= {re.sub(r"\{\w+\}", thing, name) for thing in made_for}
    return found


def test_every_alarm_has_its_line_and_every_line_its_alarm() -> None:
    overview = text(CHECKOUT / "docs/RUNBOOKS/README.md")
    table = re.findall(r"^\| (`.*?) \| P\d", overview, re.MULTILINE)
    named = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    assert named == alarms() - {"EngineDown2"}


@pytest.mark.parametrize("book", PAGES, ids=lambda book: book.name)
def test_an_alarm_that_a_page_names_rings(book: Path) -> None:
    named = re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+\d?)`", text(book))
    assert set(named) <= alarms()


def test_an_alarm_leads_to_a_page_that_names_it() -> None:
    rules = yaml.safe_load((CHECKOUT / "infra/prometheus/alerts.yaml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert f"`{rule['alert']}`" in text(CHECKOUT / rule["annotations"]["runbook"])


@pytest.mark.parametrize(
    "file",
    [*BOOKS, CHECKOUT / "infra/prometheus/alerts.yaml"],
    ids=lambda file: file.name,
)
def test_every_metric_is_served(file: Path) -> None:
    code = "".join(
        source.read_text("utf-8") for source in (CHECKOUT / "hotpath/runtime").rglob("*.py")
    )
    for part, name in re.findall(
        r"\btrading_(engine|publisher|standby|replicator)_([a-z_]*[a-z])\b", text(file)
    ):
        stem = re.sub(r"_(total|seconds)$", "", name)
        assert any(f'"{word}"' in code or f"_{word}" in code for word in (name, stem)), (part, name)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_ports_are_those_of_a_stack(book: Path) -> None:
    ports = {
        DEFAULT_BASE_PORT + offset + PORTS_PER_SHARD * shard
        for offset in PORT_OFFSETS.values()
        for shard in range(4)
    }
    assert {int(port) for port in re.findall(r"localhost:(\d+)", text(book))} <= ports


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_units_are_installed(book: Path) -> None:
    units = {file.name.partition("@")[0] for file in (CHECKOUT / "infra/ec2").glob("*.service")}
    assert set(re.findall(r"\b(trading-[a-z]+)@", text(book))) <= units


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_links_lead_somewhere(book: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", text(book)):
        assert (book.parent / link).is_file(), link


@pytest.mark.parametrize("book", PAGES, ids=lambda book: book.name)
def test_a_page_goes_from_the_signs_to_the_end(book: Path) -> None:
    headings = re.findall(r"^## (.*)$", text(book), re.MULTILINE)
    assert headings[:2] == PARTS[:2]
    assert [heading for heading in headings if heading in PARTS] == PARTS
    assert re.search(r"^1\. ", text(book), re.MULTILINE), "steps are numbered"
