"""The inner loop: commands stamped, applied and copied for the journal. Compiled with the core."""

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from hotpath.core.engine import Engine
from hotpath.core.lengths import words_of
from hotpath.core.look_ahead import GROUP, LookAhead
from hotpath.runtime.batch_words import BatchWords
from shared.domain.records import C_HEADER, C_ID, C_SEQUENCE, C_TIME_NS, COMMAND_WORDS

MAX_EVENT_WORDS: Final = (8 << 20) // 8  # a batch ends behind the command that passes this
# What the core left over is gone on with at the end of each batch, by so many commands: each is
# bounded, so that other clients' commands never wait for long.
CONTINUES_A_BATCH: Final = 4

_COMMANDS: Final = 1024  # room for so many at first
_COMMAND_BYTES: Final = 8 * COMMAND_WORDS
_IDS_AHEAD: Final = 2  # an id's row is asked for while so many commands before it are applied


@final
class BatchApplier:
    """Feeds the core. What the last batch gave stands in `made` until the next one."""

    def __init__(self, engine: Engine) -> None:
        self.engine: Final = engine
        self.made: Final = BatchWords(engine, _COMMANDS, _COMMANDS * COMMAND_WORDS)
        self.taken: i64 = 0  # how many of the frames it holds; CONTINUE commands may follow them

    @property
    def commands(self) -> bytes:
        """The commands as the journal holds them."""
        return self.made.bytes_of_all()

    @property
    def event_counts(self) -> list[int]:
        made = self.made
        return [int(made.event_count(number)) for number in range(made.count)]

    @property
    def events(self) -> bytes:
        return self.engine.events_bytes()

    def apply(self, frames: list[bytes], at: i64, first_sequence: i64, time_ns: i64) -> int:
        """Apply the commands that begin at byte `at` of each frame; return how many.

        It is fewer than all when their events fill a batch, or the core has to go on first. What
        they leave over, or what was left before, is gone on with behind them.
        """
        engine = self.engine
        made = self.made
        ahead = engine.look_ahead
        size: i64 = len(frames)
        made.begin(first_sequence, time_ns)
        made.expect(size + CONTINUES_A_BATCH)
        number: i64 = 0
        looked: i64 = 0 if ahead.pays() else size
        while number < size and not engine.is_passing:
            if engine.state.events.used > MAX_EVENT_WORDS:
                break
            if number >= looked:
                looked = _look_at_frames(ahead, frames, at, number)
            if number + _IDS_AHEAD < size:
                ahead.expect_id(read_i64_le(frames[number + _IDS_AHEAD], at + C_ID * 8))
            words: i64 = made.load(frames[number], at)
            made.stamp()
            made.run(words)
            number += 1
        self.taken = number
        more: i64 = 0
        while engine.has_work_left and more < CONTINUES_A_BATCH:
            made.go_on()
            more += 1
        return number

    def replay(self, commands: bytes, count: i64, at: i64 = 0) -> None:
        """Apply `count` journaled commands that lie one behind the other from byte `at` on."""
        made = self.made
        ahead = self.engine.look_ahead
        end: i64 = len(commands)
        made.begin(0, 0)
        made.expect(count)
        if count > 0:
            made.first_sequence = read_i64_le(commands, at + C_SEQUENCE * 8)
            made.time_ns = read_i64_le(commands, at + C_TIME_NS * 8)
        looked: i64 = at if ahead.pays() else end
        while made.count < count:
            if at >= looked:
                looked = _look_ahead(ahead, commands, at)
            coming: i64 = at + _IDS_AHEAD * _COMMAND_BYTES + C_ID * 8
            if coming + 8 <= end:
                ahead.expect_id(read_i64_le(commands, coming))
            words: i64 = made.load(commands, at)
            made.run(words)
            at += words * 8


def _look_at_frames(ahead: LookAhead, frames: list[bytes], at: i64, first: i64) -> i64:
    """Have brought what the next frames will need; return the number of the first behind them."""
    end: i64 = min(first + GROUP, len(frames))
    number: i64 = first
    while number < end:
        ahead.expect_bytes(frames[number], at)
        number += 1
    ahead.bring()
    return end


def _look_ahead(ahead: LookAhead, commands: bytes, first: i64) -> i64:
    """Have brought what the next commands will need; return the byte behind the last of them.

    What is behind the commands, their events in a record, is looked at like them, and harmless.
    """
    at: i64 = first
    end: i64 = len(commands)
    left: i64 = GROUP
    while left > 0 and at + _COMMAND_BYTES <= end:
        ahead.expect_bytes(commands, at)
        at += words_of(read_i64_le(commands, at + C_HEADER * 8)) * 8
        left -= 1
    ahead.bring()
    return at if left == 0 else end
