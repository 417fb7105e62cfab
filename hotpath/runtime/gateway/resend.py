"""Makes the messages of one member again from the journal: what it missed while it was away.

What a member is sent is a function of the journal alone: the results of the commands that came
over its own sessions, which carry the member's number (C_REQUEST), and of all other commands those
events that touch its account. A message's number is its command's sequence.
"""

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, chain
from pathlib import Path
from struct import Struct
from typing import Final

from hotpath.runtime.gateway.privacy import accounts_of, is_known_id, masked
from hotpath.runtime.journal.cursor import JournalCursor
from shared.domain import records as r
from shared.wire import frames
from shared.wire.journal import JournaledCommand, Record
from shared.wire.report_pages import encode_report_pages

COMMANDS_A_STEP: Final = 256  # a batch may hold 16,384, all of one member
BYTES_A_STEP: Final = 1 << 20  # an auction may have more for one member than a socket takes
_LOW_HALF: Final = 0xFFFF_FFFF
_EVENT: Final = Struct(f"<{r.EVENT_WORDS}q")


class Resend:
    """One member's way from the last message that it has to the present."""

    def __init__(self, journal: Path, account_id: int, after: int) -> None:
        self._account_id = account_id
        self._cursor = JournalCursor(journal, after)
        self._after = after
        self._rest: Iterator[bytes] = iter(())  # of the stretch that is under way
        self._has_rest = False
        self.last_number = after  # of the last message made
        self.last_request = 0  # of the last command of the member's own that was found

    def step(self, durable_sequence: int) -> list[bytes]:
        """Return the frames of the next stretch of the journal."""
        if not self._has_rest:
            records = self._cursor.step(durable_sequence)
            commands = chain.from_iterable(map(self._touching, records))
            self._rest = chain.from_iterable(map(self._messages, commands))
        taken: list[bytes] = []
        size = 0
        for frame in self._rest:
            taken.append(frame)
            size += len(frame)
            if len(taken) == COMMANDS_A_STEP or size >= BYTES_A_STEP:
                self._has_rest = True
                break
        else:
            self._has_rest = False
        return [frame for frame in taken if frame]

    def has_arrived(self, durable_sequence: int) -> bool:
        return not self._has_rest and self._cursor.sequence >= durable_sequence

    def close(self) -> None:
        self._cursor.close()

    def _touching(self, record: Record) -> Iterator[JournaledCommand]:
        """Return a batch's commands behind the last message that may concern the account."""
        seen = self._after - record.first_sequence
        return record.commands_at_numbers([it for it in self._commands_of(record) if it > seen])

    def _commands_of(self, record: Record) -> list[int]:
        """Return which commands of a batch have an event that may concern the account."""
        account = self._account_id
        if account.to_bytes(4, "little") not in record.data:
            return []
        words = memoryview(record.event_bytes()).cast("q")
        rows = words[r.E_ACCOUNT :: r.EVENT_WORDS].tolist()
        touched = [at for at, both in enumerate(rows) if account in (both & _LOW_HALF, both >> 32)]
        ends = list(accumulate(record.event_counts()))
        return sorted({bisect_right(ends, at) for at in touched})

    def _messages(self, command: JournaledCommand) -> Iterator[bytes]:
        """Yield a command's frames; an empty one where it has none, for it takes time as well."""
        account = self._account_id
        request = command.words[r.C_REQUEST]
        is_own = request != 0 and command.words[r.C_ACCOUNT] == account
        touching: list[tuple[int, bytes]] = []
        for index, words in enumerate(command.events):  # of an uncross there are very many
            both = words[r.E_ACCOUNT]
            if account not in (both & _LOW_HALF, both >> 32):
                continue
            event = _EVENT.pack(*words)
            if account in accounts_of(event) and (is_own or index > 0 or not is_known_id(event)):
                touching.append((index, masked(event, account)))
        if not touching:
            yield b""
            return
        sequence, previous = command.sequence, self.last_number
        self.last_number = sequence
        if is_own:
            self.last_request = request
            yield frames.encode_result(
                request,
                sequence,
                command.time_ns,
                masked(b"".join(_EVENT.pack(*words) for words in command.events), account),
                flags=frames.FLAG_RESENT,
                numbers=(sequence, previous),
            )
        else:
            yield from encode_report_pages(
                sequence, command.time_ns, touching, previous=previous, flags=frames.FLAG_RESENT
            )
