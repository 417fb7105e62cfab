"""The README's lines work as they stand there."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any, Final

import pytest
from click.testing import CliRunner

from hotpath.build import ROOT
from infra.cli.main import main
from tests.support.e2e_platform import Platform

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
_MARKED: Final = re.compile(
    r"<!-- tests/e2e/test_readme\.py runs these lines -->\n```bash\n(.*?)```", re.DOTALL
)


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents that a text consists of."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        document, position = decoder.raw_decode(text, position)
        yield document
        while position < len(text) and text[position].isspace():
            position += 1


def test_an_order_placed_with_the_curl_lines_is_seen_filled(platform: Platform) -> None:
    (lines,) = _MARKED.findall(README)
    with platform.alice() as alice:
        before = {item["order_id"] for item in alice.call("GET", "/api/v1/orders")["orders"]}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=ROOT,
        env=os.environ | {"TRADING_STATE": str(platform.settings.state)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    book, placed, listed = documents(done.stdout)
    assert book["bids"]
    assert book["asks"]
    assert placed["status"] == "FILLED"
    assert placed["order_id"] not in before
    mine = {order["order_id"]: order for order in listed["orders"]}
    assert mine[placed["order_id"]]["status"] == "FILLED"


@pytest.mark.parametrize(
    "words", sorted(set(re.findall(r"(?:bin/trading|…|`trading) ([a-z]+)", README)))
)
def test_a_trading_command_of_the_readme_exists(words: str) -> None:
    assert CliRunner().invoke(main, [words, "--help"]).exit_code == 0


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z0-9-]+)", README))))
def test_a_make_target_of_the_readme_exists(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
