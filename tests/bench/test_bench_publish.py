"""The publisher's benchmark: it reports every round and finds each message in the stream once."""

import json
import subprocess
import sys

from tests.bench.engine import ROOT


def test_standard_output_is_one_document_and_the_stream_holds_each_message_once() -> None:
    words = ["--streams=redis", "--commands=600", "--rounds=2", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "publish", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["stream"], row["skipped"], row["exactly_once"]) == ("redis", "", True)
    assert [found["messages"] > 600 for found in row["rounds"]] == [True, True]
    assert row["median_messages_per_s"] > 0
    assert row["made_beforehand_messages_per_s"] > 0
