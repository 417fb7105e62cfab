"""The topics are listed in one place, where whoever creates them or grants rights looks."""

import ast

import pytest

from hotpath.runtime.publisher.resume import TOPICS
from infra.bootstrap import ROOT
from shared.streams.topology import all_topics, engine_host_use, settlement_use
from shared.wire.stream_events import PARTITIONS

LISTED = "shared/streams/topology.py"
OWNERS = {LISTED, "shared/streams/kafka.py"}  # the latter creates what it is given


def calls(name: str) -> set[str]:
    """Return the files of the platform that call something of this name."""
    return {
        file.relative_to(ROOT).as_posix()
        for folder in ("functions", "hotpath", "shared")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == name or getattr(node.func, "attr", "") == name)
    }


def test_no_other_file_makes_up_a_topic() -> None:
    assert calls("NewTopic") == {"shared/streams/kafka.py"}
    assert calls("Topic") == OWNERS


@pytest.mark.parametrize("shards", [1, 3])
def test_whatever_a_process_uses_is_among_all_topics(shards: int) -> None:
    every = {topic.name for topic in all_topics(shards)}
    uses = [settlement_use(), *(engine_host_use(shard) for shard in range(shards))]
    assert {name for use in uses for name in use.topics} == every
    assert every > PARTITIONS.keys() | {"writer-epochs"}


def test_an_engines_host_uses_what_its_publisher_writes_and_its_shards_own() -> None:
    topics = engine_host_use(2).topics
    assert set(topics) - {"writer-epochs", "hotpath-journal.2", "hotpath-beats.2"} == set(TOPICS)
