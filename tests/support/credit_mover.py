"""A process that takes a credit move further and dies by its own hand at a chosen command.

Told on standard input: addresses and tokens of the engines, the database, the move, and at which
command (counted from 1) to die, before it is sent or after it is answered.
"""

import json
import os
import signal
import sys
from dataclasses import dataclass

from functions.payments.credit_lines import CreditLines
from shared.domain.commands import Command
from shared.hotpath_client import ShardedEngine, SyncEngineClient
from shared.ports.engine import CommandResult


@dataclass
class Death:
    """At which command, and on which side of it."""

    at: int
    is_after: bool
    sent: int = 0

    def passes(self, is_after: bool) -> None:
        self.sent += not is_after
        if (self.sent, is_after) == (self.at, self.is_after):
            os.kill(os.getpid(), signal.SIGKILL)


class MortalClient(SyncEngineClient):
    """A client whose process may die around a command."""

    death: Death

    def submit(self, command: Command, *, traceparent: str = "") -> CommandResult:
        self.death.passes(is_after=False)
        result = super().submit(command, traceparent=traceparent)
        self.death.passes(is_after=True)
        return result


def main() -> None:
    given = json.load(sys.stdin)
    death = Death(given["die_at"], given["die_after"])
    clients = []
    for number, (address, token) in enumerate(given["engines"]):
        client = MortalClient(address, lambda token=token: token, 5_000, shard=number)  # type: ignore[misc]
        client.death = death
        clients.append(client)
    engines = ShardedEngine(clients, lambda instrument_id: 0)
    print(CreditLines(lambda: given["dsn"], lambda: engines).advance(given["number"]))


if __name__ == "__main__":
    main()
