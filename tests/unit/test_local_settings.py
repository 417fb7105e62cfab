"""Settings of the local stack: what they come from, and that they are the only source of ports."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local import settings
from infra.local.settings import PORT_OFFSETS, Settings, SettingsError


def test_without_variables_the_stack_lies_in_the_checkout_at_4566() -> None:
    found = settings.load({})
    assert found.base_port == 4566
    assert found.state == settings.CHECKOUT / ".trading"
    assert found.stream_url == "redis://127.0.0.1:4568/0"


def test_every_port_derives_from_trading_port(tmp_path: Path) -> None:
    found = settings.load({"TRADING_STATE": str(tmp_path), "TRADING_PORT": "21000"})
    assert {name: found.port(name) - 21000 for name in PORT_OFFSETS} == dict(PORT_OFFSETS)
    assert len({found.port(name) for name in PORT_OFFSETS}) == len(PORT_OFFSETS)


def test_a_state_folder_remembers_its_settings(tmp_path: Path) -> None:
    environment = {
        "TRADING_STATE": str(tmp_path),
        "TRADING_PORT": "21000",
        "TRADING_DURABILITY": "os",
        "TRADING_SPIN": "1",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
    first = settings.load(environment)
    first.save()
    assert settings.load({"TRADING_STATE": str(tmp_path)}) == first


def test_the_environment_wins_over_what_the_folder_remembers(tmp_path: Path) -> None:
    Settings(tmp_path, base_port=21000).save()
    found = settings.load({"TRADING_STATE": str(tmp_path), "TRADING_PORT": "22000"})
    assert found.base_port == 22000


@pytest.mark.parametrize(
    "variable,value",
    [
        ("TRADING_PORT", "http"),
        ("TRADING_PORT", "80"),
        ("TRADING_PORT", "65530"),
        ("STREAM", "rabbit"),
        ("TRADING_DURABILITY", "never"),
        ("TRADING_SHARDS", "0"),
        ("TRADING_SHARDS", "9"),
        ("TRADING_SHARDS", "two"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(
    tmp_path: Path, variable: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=variable):
        settings.load({"TRADING_STATE": str(tmp_path), variable: value})


def test_a_damaged_settings_file_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(SettingsError, match="trading reset"):
        settings.load({"TRADING_STATE": str(tmp_path)})


def test_kafka_urls_name_the_given_servers_or_the_stacks_own(tmp_path: Path) -> None:
    own = Settings(tmp_path, stream="kafka")
    given_servers = Settings(tmp_path, stream="kafka", kafka_bootstrap_servers="a:1,b:2")
    assert own.stream_url == "kafka://127.0.0.1:4568"
    assert given_servers.stream_url == "kafka://a:1,b:2"


def test_two_temporary_stacks_share_neither_ports_nor_folder() -> None:
    with settings.temporary({}) as one, settings.temporary({}) as other:
        ports_of_one = {one.port(name) for name in PORT_OFFSETS}
        assert ports_of_one.isdisjoint(other.port(name) for name in PORT_OFFSETS)
        assert one.state != other.state
        assert one.state.is_dir()
    assert not one.state.exists()
    assert not other.state.exists()


def test_a_temporary_stack_ignores_where_the_users_own_is() -> None:
    given_variables = {"TRADING_PORT": "4566", "TRADING_STATE": "/nowhere", "STREAM": "kafka"}
    with settings.temporary(given_variables) as found:
        assert found.base_port != 4566
        assert str(found.state) != "/nowhere"
        assert found.stream == "kafka"


@given(st.integers(min_value=1024, max_value=65_535 - max(PORT_OFFSETS.values())))
def test_all_ports_of_an_accepted_base_are_valid(base_port: int) -> None:
    found = Settings(Path("/x"), base_port=base_port)
    assert all(1024 <= found.port(name) <= 65_535 for name in PORT_OFFSETS)


def test_each_shard_has_ports_and_a_journal_of_its_own(tmp_path: Path) -> None:
    found = Settings(tmp_path, shards=3)
    ports = [found.port(name, shard) for name in PORT_OFFSETS for shard in range(3)]
    assert len(set(ports)) == len(ports)
    assert found.engine_addresses == ["127.0.0.1:4570", "127.0.0.1:4586", "127.0.0.1:4602"]
    assert [path.name for path in found.journals] == ["journal", "journal-1", "journal-2"]
    with pytest.raises(SettingsError, match="TRADING_PORT"):
        Settings(tmp_path, base_port=65_500, shards=3)


def test_temporary_stacks_share_no_ports_of_further_shards() -> None:
    with settings.temporary({"TRADING_SHARDS": "3"}) as one, settings.temporary({}) as other:
        assert (one.shards, other.shards) == (3, 1)
        taken = {one.port(name, shard) for name in PORT_OFFSETS for shard in range(3)}
        assert taken.isdisjoint(other.port(name) for name in PORT_OFFSETS)
