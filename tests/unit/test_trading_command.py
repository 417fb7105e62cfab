"""The trading command: help everywhere, exit codes, and JSON where a program reads."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from infra.cli.main import SUBCOMMANDS, main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner whose stack is an empty state folder of its own."""
    monkeypatch.setenv("TRADING_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TRADING_PORT", "19400")
    return CliRunner()


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_and_is_named_as_listed(run: CliRunner, name: str) -> None:
    result = run.invoke(main, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_the_command_lists_its_subcommands(run: CliRunner) -> None:
    result = run.invoke(main, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in SUBCOMMANDS)


def test_an_unknown_subcommand_fails(run: CliRunner) -> None:
    assert run.invoke(main, ["fly"]).exit_code == 2


def test_status_of_a_stack_that_does_not_run_fails_and_lists_every_part(run: CliRunner) -> None:
    result = run.invoke(main, ["status", "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["compiled"] is False
    assert {part["name"]: part["state"] for part in report["parts"]} == dict.fromkeys(
        (
            *("emulator", "postgres", "stream", "cache", "engine"),
            *("follower", "publisher", "providers", "consumers", "feed"),
        ),
        "stopped",
    )
    assert all(set(part) == {"name", "state", "detail"} for part in report["parts"])


def test_status_tells_no_core_where_no_engine_answers(run: CliRunner) -> None:
    result = run.invoke(main, ["status"])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "0 of 1 engines answer"


def test_what_waits_is_told_as_queries_too_and_asked_only_of_databases_that_answer(
    run: CliRunner,
) -> None:
    queries = run.invoke(main, ["waiting", "--sql"])
    assert queries.exit_code == 0
    assert queries.stdout.count("-- core: ") == 3
    assert queries.stdout.count("-- clearing: ") == 4
    asked = run.invoke(main, ["waiting"])
    assert asked.exit_code == 1
    assert asked.stderr.startswith("Error: the databases do not answer")


def test_down_of_a_stack_that_does_not_run_is_harmless(run: CliRunner) -> None:
    assert run.invoke(main, ["down"]).exit_code == 0


def test_a_wrong_setting_is_an_error_and_no_traceback(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAM", "rabbit")
    result = run.invoke(main, ["status"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: STREAM=rabbit")


def test_a_token_needs_a_deployment(run: CliRunner) -> None:
    result = run.invoke(main, ["token", "alice"])
    assert result.exit_code == 1
    assert "trading up" in result.stderr


def test_reset_asks_first(run: CliRunner, tmp_path: Path) -> None:
    kept = tmp_path / "state" / "journal" / "segment"
    kept.parent.mkdir(parents=True)
    kept.write_text("data")
    assert run.invoke(main, ["reset"], input="n\n").exit_code == 1
    assert kept.exists()
    assert run.invoke(main, ["reset", "--yes"]).exit_code == 0
    assert not kept.exists()


def test_the_back_office_takes_json_and_needs_a_deployment(run: CliRunner) -> None:
    assert run.invoke(main, ["backoffice", "POST", "/kill-switch", "{"]).exit_code == 2
    asked = run.invoke(main, ["backoffice", "GET", "/audit"])
    assert asked.exit_code == 1
    assert "trading up" in asked.stderr
