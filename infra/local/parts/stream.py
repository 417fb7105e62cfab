"""The event stream: a Redis of its own, or Apache Kafka with STREAM=kafka."""

from infra.local.part import Part
from infra.local.parts import redis
from infra.local.settings import Settings


def stream(settings: Settings) -> Part | None:
    """Return the stream's part, or None where KAFKA_BOOTSTRAP_SERVERS names a running broker."""
    if settings.stream == "redis":
        return redis.stream(settings)
    if settings.kafka_bootstrap_servers:
        return None
    from infra.local import kafka  # only then: it needs a JDK and Maven

    return kafka.part(settings)
