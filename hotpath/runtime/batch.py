"""The inner loop: commands stamped, applied and copied for the journal. Compiled with the core."""

from typing import Final, final

from mypy_extensions import i64

from hotpath.core.engine import Engine
from shared.domain.records import (
    C_SEQUENCE,
    C_TIME_NS,
    COMMAND_WORDS,
    CONTINUE,
    EVENT_WORDS,
)

MAX_EVENT_WORDS: Final = (8 << 20) // 8  # a batch ends behind the command that passes this
# What the core left over is gone on with at the end of each batch, by so many commands: each is
# bounded, so that other clients' commands never wait for long.
CONTINUES_A_BATCH: Final = 4
CONTINUE_COMMAND: Final = CONTINUE.to_bytes(8 * COMMAND_WORDS, "little")

# The two stamps stand side by side, so one slice replaces both.
_STAMP_AT: Final = C_TIME_NS * 8
_STAMP_END: Final = (C_SEQUENCE + 1) * 8


@final
class BatchApplier:
    """Feeds the core. The results of a batch stand in the fields until the next one."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.taken: i64 = 0  # how many of the frames it holds; CONTINUE commands may follow them
        self.commands: bytes = b""  # as the journal holds them
        self.event_counts: list[int] = []
        self.events: bytes = b""

    def apply(self, frames: list[bytes], at: i64, first_sequence: i64, time_ns: i64) -> int:
        """Apply the commands that begin at byte `at` of each frame; return how many.

        It is fewer than all when their events fill a batch, or the core has to go on first. What
        they leave over, or what was left before, is gone on with behind them.
        """
        engine = self.engine
        engine.reset_events()
        counts: list[int] = []
        stamped: list[bytes] = []
        time_bytes = int(time_ns).to_bytes(8, "little")
        sequence: i64 = first_sequence
        used: i64 = 0
        for frame in frames:
            if engine.is_passing or used > MAX_EVENT_WORDS:
                break
            engine.apply_stamped(frame, at, sequence, time_ns)
            now: i64 = engine.event_words
            counts.append((now - used) // EVENT_WORDS)
            used = now
            stamped.append(frame[at : at + _STAMP_AT])
            stamped.append(time_bytes)
            stamped.append(int(sequence).to_bytes(8, "little"))
            stamped.append(frame[at + _STAMP_END :])
            sequence += 1
        self.taken = len(counts)
        more: i64 = 0
        while engine.has_work_left and more < CONTINUES_A_BATCH:
            engine.apply_stamped(CONTINUE_COMMAND, 0, sequence, time_ns)
            now = engine.event_words
            counts.append((now - used) // EVENT_WORDS)
            used = now
            stamped.append(CONTINUE_COMMAND[:_STAMP_AT])
            stamped.append(time_bytes)
            stamped.append(int(sequence).to_bytes(8, "little"))
            stamped.append(CONTINUE_COMMAND[_STAMP_END:])
            sequence += 1
            more += 1
        self.commands = b"".join(stamped)
        self.event_counts = counts
        self.events = engine.events_bytes()
        return self.taken

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
            at += engine.batch_words(commands, at) * 8
            done += 1
        self.commands = commands
        self.event_counts = counts
        self.events = engine.events_bytes()
