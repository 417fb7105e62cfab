"""The inner loop: commands stamped, applied and copied for the journal. Compiled with the core."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core.engine import Engine
from shared.domain.records import (
    C_SEQUENCE,
    C_TIME_NS,
    COMMAND_WORDS,
    EVENT_WORDS,
    EXTENDED_COMMAND_WORDS,
    FIRST_EXTENDED_KIND,
)

MAX_EVENT_WORDS: Final = (8 << 20) // 8  # a batch ends behind the command that passes this

# The two stamps stand side by side, so one slice replaces both.
_STAMP_AT: Final = C_TIME_NS * 8
_STAMP_END: Final = (C_SEQUENCE + 1) * 8


@final
class BatchApplier:
    """Feeds the core. The results of a batch stand in the fields until the next one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.commands: bytes = b""  # as the journal holds them
        self.event_counts: list[int] = []
        self.events: bytes = b""

    def apply(self, frames: list[bytes], at: i64, first_sequence: i64, time_ns: i64) -> int:
        """Apply the commands that begin at byte `at` of each frame; return how many.

        It is fewer than all when their events fill a batch.
        """
        engine = self.engine
        engine.reset_events()
        counts: list[int] = []
        stamped: list[bytes] = []
        time_bytes = int(time_ns).to_bytes(8, "little")
        sequence: i64 = first_sequence
        used: i64 = 0
        for frame in frames:
            engine.apply_stamped(frame, at, sequence, time_ns)
            now: i64 = engine.event_words
            counts.append((now - used) // EVENT_WORDS)
            used = now
            stamped.append(frame[at : at + _STAMP_AT])
            stamped.append(time_bytes)
            stamped.append(int(sequence).to_bytes(8, "little"))
            stamped.append(frame[at + _STAMP_END :])
            sequence += 1
            if used > MAX_EVENT_WORDS:
                break
        self.commands = b"".join(stamped)
        self.event_counts = counts
        self.events = engine.events_bytes()
        return len(counts)

    def replay(self, commands: bytes, count: i64) -> None:
        """Apply `count` journaled commands that lie one behind the other."""
        engine = self.engine
        engine.reset_events()
        counts: list[int] = []
        at: i64 = 0
        used: i64 = 0
        done: i64 = 0
        while done < count:
            engine.apply_bytes(commands, at)
            now: i64 = engine.event_words
            counts.append((now - used) // EVENT_WORDS)
            used = now
            is_extended: bool = commands[at] >= FIRST_EXTENDED_KIND
            at += (EXTENDED_COMMAND_WORDS if is_extended else COMMAND_WORDS) * 8
            done += 1
        self.commands = commands
        self.event_counts = counts
        self.events = engine.events_bytes()
