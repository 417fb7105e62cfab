"""How far each partition is and how it goes: written by its poller, read by health and metrics."""

import logging
import time
from dataclasses import dataclass, field

from infra.local.consumers.routes import Route
from shared.ports.event_stream import StoredMessage, TopicPartition

log = logging.getLogger("consumers")


@dataclass(slots=True)
class Progress:
    """One partition of one route. Only the partition's own thread writes."""

    route: Route
    partition: TopicPartition
    position: int | None = None  # all before it is handled; None until the stream was reached
    batches: int = 0
    records: int = 0
    retries: int = 0
    dead_letters: int = 0
    trouble: str = ""  # why it does not go on, empty while it does
    trouble_since_s: float = field(default=0.0)

    @property
    def name(self) -> str:
        return f"{self.route.group} {self.partition.topic}-{self.partition.partition}"

    def handled(self, records: int) -> None:
        self.batches += 1
        self.records += records
        self.going_on()

    def going_on(self) -> None:
        if self.trouble:
            log.info("%s goes on after %.1f s", self.name, time.time() - self.trouble_since_s)
            self.trouble = ""

    def retrying(self, error: str) -> None:
        """The function failed; the batch is repeated."""
        self.retries += 1
        self._in_trouble(error)

    def outage(self, error: str) -> None:
        """Something is out of reach; the same is tried until it is back."""
        self._in_trouble(error)

    def buried(self, message: StoredMessage, error: str) -> None:
        """A record went to the dead-letter queue."""
        self.dead_letters += 1
        log.error("%s offset %d is dead-lettered: %s", self.name, message.offset, error)

    def _in_trouble(self, error: str) -> None:
        if not self.trouble:
            self.trouble_since_s = time.time()
        if self.trouble != error:
            log.warning("%s: %s", self.name, error)
            self.trouble = error
