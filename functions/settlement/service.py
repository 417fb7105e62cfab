"""The state machine's tasks and what operators ask: idempotent, business outcomes as values."""

import time
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from functions.settlement import amendments, batch, delivery, summaries
from functions.settlement.publish import publish_events
from functions.settlement.reconcile import reconcile
from shared.edge.tracing import current_traceparent
from shared.ports.engine import Engine
from shared.ports.event_stream import EventStream
from shared.ports.failures import InfrastructureUnavailable
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

MAX_LISTED_BREAKS = 50  # in the state machine's output; the store has all

Answer = dict[str, Any]


class CommandsWaiting(InfrastructureUnavailable):
    """The engine has not answered all settlement commands; the state machine tries again."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks with what they need from the world; `run` is the only entry."""

    source: PoolSource
    engine: Engine
    stream: EventStream
    instruments: Instruments

    def run(self, action: str, event: Answer) -> Answer:
        """Run one task; raise ValueError for an unknown one."""
        tasks = {
            "open": self._open,
            "net": self._net,
            "next_pass": self._next_pass,
            "prepare": self._prepare,
            "deliver": self._deliver,
            "refuse": self._refuse,
            "send_commands": self._send_commands,
            "reconcile": self._reconcile,
            "publish": self._publish,
            "finish": self._finish,
            "balances": self._balances,
            "batch": self._batch,
            "ask_amendment": self._ask_amendment,
            "conclude_amendment": self._conclude_amendment,
        }
        if action not in tasks:
            raise ValueError(f"there is no task {action!r}")
        return tasks[action](event)

    def _open(self, event: Answer) -> Answer:
        day = batch.business_date(event["business_date"], time.time_ns())
        if day is None:
            return {"outcome": "NOT_A_BUSINESS_DAY"}
        with UnitOfWork(self.source) as uow:
            batch.open_batch(uow, day)
            uow.commit()
        return {"outcome": "OPEN", "batch_id": day.isoformat()}

    def _net(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            made = batch.net_due(uow, self.instruments, _batch_id(event))
            uow.commit()
        return {"netted": made}

    def _next_pass(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            found = batch.next_pass(uow, self.instruments, _batch_id(event))
            uow.commit()
        return {"instructions": batch.as_items(found), "more": bool(found)}

    def _prepare(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            answer = delivery.prepare(uow, event["instruction_id"])
            uow.commit()
        return answer

    def _deliver(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            answer = delivery.deliver(
                uow, event["instruction_id"], event["payment_outcome"], current_traceparent()
            )
            uow.commit()
        return answer

    def _refuse(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            answer = delivery.refuse(uow, event["instruction_id"])
            uow.commit()
        return answer

    def _send_commands(self, event: Answer) -> Answer:
        sent = 0
        while True:
            report = delivery.ENGINE_OUTBOX.send_pending(self.engine, self.source)
            sent += len(report.answers)
            if report.left == 0:
                return {"sent": sent}
            if not report.answers:
                raise CommandsWaiting(f"{report.left} commands wait for the engine")

    def _reconcile(self, event: Answer) -> Answer:
        result = reconcile(self.source, self.engine, self.instruments, _batch_id(event))
        return {
            "accounts": result.accounts,
            "breaks": len(result.breaks),
            "first_breaks": [asdict(item) for item in result.breaks[:MAX_LISTED_BREAKS]],
        }

    def _publish(self, event: Answer) -> Answer:
        return {"published": publish_events(self.source, self.stream)}

    def _finish(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            states = batch.finish(uow, _batch_id(event))
            uow.commit()
        return {"settled": states.get("settled", 0), "rolled": states.get("rolled", 0)}

    def _balances(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            return {"balances": summaries.balances(uow, int(event["account_id"]))}

    def _batch(self, event: Answer) -> Answer:
        with UnitOfWork(self.source) as uow:
            return {"batch": summaries.batch(uow, _batch_id(event))}

    def _ask_amendment(self, event: Answer) -> Answer:
        given = event.get("corrected")
        corrected = None if given is None else amendments.Corrected(**given)
        number, trade_id = int(event["amendment_id"]), int(event["trade_id"])
        with UnitOfWork(self.source) as uow:
            answer = amendments.ask(uow, number, trade_id, corrected)
            uow.commit()
        return answer

    def _conclude_amendment(self, event: Answer) -> Answer:
        number, trade_id = int(event["amendment_id"]), int(event["trade_id"])
        with UnitOfWork(self.source) as uow:
            answer = amendments.conclude(
                uow, self.instruments, number, trade_id, bool(event["applied"])
            )
            uow.commit()
        return answer


def _batch_id(event: Answer) -> date:
    return date.fromisoformat(event["batch_id"])
