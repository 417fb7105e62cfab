"""What the engine says of itself over HTTP: /health, /ready and /metrics."""

import os
import shutil
import time

from hotpath.build import CoreBuild
from hotpath.runtime.config import EngineConfig
from hotpath.runtime.gateway.order_entry import Gateway
from hotpath.runtime.health import Document
from hotpath.runtime.journal.status_file import OPEN, STATE_NAMES, StatusFile
from hotpath.runtime.journal.writer import JournalWriter
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.replication.gate import ReplicationGate


class EngineHealth:
    """Filled by the wiring as the engine's parts come to life; read by the server's threads."""

    def __init__(
        self, config: EngineConfig, build: CoreBuild, status: StatusFile, metrics: Metrics
    ) -> None:
        self._config = config
        self._build = build
        self._status = status
        self._metrics = metrics
        self.stage = "the start"  # what is under way before the engine is open
        self.recovered = 0  # sequence up to which the journal is replayed
        self.to_recover = 0
        self.gateway: Gateway | None = None
        self.journal: JournalWriter | None = None
        self.gate: ReplicationGate | None = None

    def recovering(self, to_sequence: int) -> None:
        """Say that the journal is replayed, up to about this sequence."""
        self.stage, self.to_recover = "the replay of the journal", to_sequence

    def facts(self) -> tuple[bool, Document]:
        """Return whether orders are taken, and what the engine waits for if not."""
        status = self._status
        age_ms = (time.time_ns() - status.heartbeat_ns) // 1_000_000
        return status.state == OPEN, {
            "status": STATE_NAMES.get(status.state, "unknown"),
            "detail": self._detail(),
            "waits_for": self._waits_for(),
            "refuses_orders": self.gateway.order_refusal if self.gateway else "",
            "core": "compiled" if self._build.compiled else "interpreted",
            "compiled": self._build.compiled,
            "source_hash": self._build.source_hash,
            "shard": self._config.shard,
            "process_id": os.getpid(),
            "epoch": status.epoch,
            "durability": self._config.durability,
            "durable_sequence": status.durable_sequence,
            "published_sequence": status.published_sequence,
            **({"copied_sequence": self.gate.copied_sequence} if self.gate else {}),
            "heartbeat_age_ms": age_ms,
        }

    def _detail(self) -> str:
        """Return what one line has room for."""
        status, refusal = self._status, self.gateway.order_refusal if self.gateway else ""
        return (
            f"epoch {status.epoch}, durable sequence {status.durable_sequence},"
            f" {self._config.durability}" + (f", refuses orders: {refusal}" if refusal else "")
        )

    def _waits_for(self) -> str:
        if self._status.state == OPEN:
            return ""
        if not self.to_recover:
            return self.stage
        return f"{self.stage}: {self.recovered} of {self.to_recover} commands"

    def metrics_text(self) -> str:
        """Return everything in Prometheus' text format."""
        status, gateway, journal = self._status, self.gateway, self.journal
        return self._metrics.text(
            {
                "open": int(status.state == OPEN),
                "sessions": len(gateway.sessions) if gateway else 0,
                "queued_commands": len(gateway.commands) if gateway else 0,
                "queued_queries": len(gateway.queries) if gateway else 0,
                "refuses_orders": int(bool(gateway and gateway.order_refusal)),
                "journal_bytes": journal.end.bytes_written if journal else 0,
                "journal_free_bytes": shutil.disk_usage(self._config.journal).free,
                "durable_sequence": status.durable_sequence,
                "published_sequence": status.published_sequence,
                "unpublished_commands": max(0, status.durable_sequence - status.published_sequence),
                "hash_mismatches": status.hash_mismatches,
                "epoch": status.epoch,
                "compiled": int(self._build.compiled),
                "copied_sequence": self.gate.copied_sequence if self.gate else 0,
            }
        )
