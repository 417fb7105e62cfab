"""Kafka as MSK has it: TLS, and a signed request to connect as token; elsewhere nothing of it."""

import base64
import threading
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from hotpath.runtime.config import ConfigError, EngineConfig
from shared.ports.event_stream import StreamUnavailable
from shared.streams.factory import open_journal_topic, open_stream
from shared.streams.kafka_brokers import Brokers
from shared.streams.kafka_connection import client_settings, consumer_settings, new_producer
from tests.support.waiting import wait_for

MSK = "kafka+iam://b-1.trading.abc123.c2.kafka.eu-central-1.amazonaws.com:9098,b-2.trading:9098"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-role")
    monkeypatch.delenv("AWS_REGION", raising=False)


def test_plain_kafka_is_spoken_to_plainly() -> None:
    settings = client_settings(Brokers.of("kafka://a:9092,b:9092"))
    assert settings["bootstrap.servers"] == "a:9092,b:9092"
    assert not {"security.protocol", "sasl.mechanisms", "oauth_cb"} & settings.keys()


def test_on_aws_every_client_brings_tls_and_a_token() -> None:
    brokers = Brokers.of(MSK)
    for settings in (client_settings(brokers), consumer_settings(brokers, "a group")):
        assert settings["bootstrap.servers"] == urlsplit(MSK).netloc
        assert settings["security.protocol"] == "SASL_SSL"
        assert settings["sasl.mechanisms"] == "OAUTHBEARER"
        assert callable(settings["oauth_cb"])


def test_the_token_is_a_signed_request_to_connect_in_the_clusters_region() -> None:
    token, ends_s = client_settings(Brokers.of(MSK))["oauth_cb"]("")
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert asked["Action"] == "kafka-cluster:Connect"
    who, _day, region, service, _end = asked["X-Amz-Credential"].split("/")
    assert (who, region, service) == ("AKIDEXAMPLE", "eu-central-1", "kafka-cluster")
    assert asked["X-Amz-Security-Token"] == "of-the-role"
    assert len(asked["X-Amz-Signature"]) == 64
    assert asked["X-Amz-Expires"] == "900"
    assert ends_s > 1_700_000_000  # seconds since the epoch, as the client wants it


def test_a_token_is_signed_once_for_all_clients_of_a_process() -> None:
    first, second = (client_settings(Brokers.of(MSK))["oauth_cb"]("") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("host, region", [
    ("b-1.x.kafka.us-east-1.amazonaws.com:9098", "us-east-1"),
    ("boot-1.kafka-serverless.eu-west-3.amazonaws.com:9098", "eu-west-3"),
    ("b-1.x.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1"),
    ("brokers.internal:9098", "sa-east-1"),
])  # fmt: skip
def test_the_region_is_that_of_the_hosts_or_of_the_process(
    monkeypatch: pytest.MonkeyPatch, host: str, region: str
) -> None:
    monkeypatch.setenv("AWS_REGION", "sa-east-1")
    assert Brokers.of(f"kafka+iam://{host}").iam_region == region


def test_what_cannot_be_reached_is_refused_when_it_is_opened() -> None:
    with pytest.raises(ValueError, match="AWS_REGION"):
        open_stream("kafka+iam://brokers.internal:9098")
    with pytest.raises(ValueError, match="AWS_REGION"):
        open_journal_topic("kafka+iam://brokers.internal:9098", 0)
    with pytest.raises(ValueError, match="host:port"):
        open_stream("kafka+iam://")
    with pytest.raises(ValueError, match="nor kafka"):
        open_stream("kafka+tls://a:1")


def _consumer(settings: dict[str, object]) -> Consumer:
    return Consumer(settings | {"group.id": "lookup"})


def _transactional(settings: dict[str, object]) -> Producer:
    return Producer(settings | {"transactional.id": "publisher-0"})


@pytest.mark.parametrize("client", [_consumer, _transactional, Producer, AdminClient])
def test_clients_ask_for_their_token_though_nobody_polls(
    client: Callable[[dict[str, object]], object],
) -> None:
    asked = threading.Event()
    settings = client_settings(Brokers("127.0.0.1:1", "eu-central-1"))
    token = settings["oauth_cb"]

    def noted(config: str) -> tuple[str, float]:
        asked.set()
        found: tuple[str, float] = token(config)
        return found

    opened = client(settings | {"oauth_cb": noted})
    wait_for(asked.is_set, what="the token is asked for")
    del opened


@pytest.mark.slow  # the client itself waits ten seconds for a token
def test_without_credentials_the_stream_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_token(_config: str) -> tuple[str, float]:
        raise ValueError("AWS Credentials can not be empty")

    settings = client_settings(Brokers("127.0.0.1:1", "eu-central-1")) | {"oauth_cb": no_token}
    with pytest.raises(StreamUnavailable, match="OAuth"):
        new_producer(settings)


def test_an_engine_that_replicates_takes_both_urls_and_no_other() -> None:
    given = {
        "TRADING_JOURNAL": "/nowhere",
        "ENGINE_LISTEN": "127.0.0.1:0",
        "ENGINE_PUBLIC_KEY_FILE": "/nowhere.pem",
        "TRADING_DURABILITY": "replicated",
    }
    for url in ("kafka://a:9092", MSK):
        assert EngineConfig.from_environment(given | {"STREAM_URL": url}).durability == "replicated"
    with pytest.raises(ConfigError, match="needs Kafka"):
        EngineConfig.from_environment(given | {"STREAM_URL": "redis://a:1/0"})
