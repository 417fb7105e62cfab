"""Order-entry frames that were valid once: bits flipped, cut, spliced, with lengths that lie."""

import random
from typing import Final

from shared.domain import records as r
from shared.domain.commands import AddAccount, CancelOrder, Command, MassCancel, MoveCash
from shared.domain.ids import SOURCE_TOOLS, administrative_id, member_order_id
from shared.wire import frames, ring, ring_frames
from tests.support.engine import INSTRUMENT, limit_order

ID_BITS: Final = 14  # of an order's number: what the engine has to remember stays bounded
_WORDS_AT: Final = frames.COMMAND_PREFIX_BYTES
_ID_AT: Final = _WORDS_AT + 8 * r.C_ID
_LONG: Final = 3000


class Mutator:
    """Makes frames for sessions of one account, from a seed."""

    def __init__(self, seed: int, account: int) -> None:
        self.dice = random.Random(seed)
        self._account = account
        self._commands = [frames.encode_command(0, words) for words in self._valid_commands()]
        self._others = [
            *(frames.encode_query(frames.Query(7, kind, account, 3)) for kind in range(1, 6)),
            frames.encode_query(frames.Query(8, frames.QUERY_BOOK, INSTRUMENT, 5)),
            frames.HEARTBEAT_FRAME,
        ]
        self._ending = [
            frames.encode_logon(frames.Logon(frames.SERVICE, "v1.e30.e30")),
            frames.encode_logon_accepted(frames.LogonAccepted(1, 2, 3, 0, True, 10, 5)),
            frames.encode_reject(1, 100, "what"),
            frames.encode_result(1, 2, 3, bytes(64)),
            frames.encode_report(1, 2, [(0, bytes(64))]),
            frames.encode_query_answer(1, 1, [1, 2]),
            ring_frames.encode_ring_attached(ring_frames.RingAttach(0, 1024, 1 << 17), "/etc"),
        ]

    def _valid_commands(self) -> list[list[int]]:
        account = self._account
        made: list[Command] = []
        for number in range(40):
            side = number & 1
            order = member_order_id(account, number)
            made.append(limit_order(account, number, side, 9_990 + number % 20, 1 + number % 5))
            made.append(CancelOrder(account, order, INSTRUMENT))
            made.append(CancelOrder(account, order + 1, INSTRUMENT))
        made += [MassCancel(account, INSTRUMENT), MassCancel(account, 0)]
        forbidden = administrative_id(SOURCE_TOOLS, 1)
        made += [AddAccount(forbidden, 99, 840), MoveCash(r.DEPOSIT_CASH, forbidden, account, 5)]
        rows = [list(command.words()) for command in made]
        for number in range(20):
            words = list(limit_order(account, 50 + number, number & 1, 10_000, 2).words())
            rows.append([words[0] & ~0xFF | r.PLACE_ORDER_EXTENDED, *words[1:], *[0] * 8])
            rows.append([r.pack_command_header(r.REPLACE_ORDER, instrument=INSTRUMENT), account,
                         member_order_id(account, number), 10_001, 3, 0, 0, 0])  # fmt: skip
        return rows

    def frame(self, request: int | None = None) -> bytes:
        """Return a frame that leaves the session open, as a rule. Members' are numbered."""
        dice = self.dice
        if dice.random() < 0.1:
            frame = bytearray(dice.choice(self._others))
            if len(frame) > frames.HEADER_BYTES and dice.random() < 0.9:
                frame[dice.randrange(frames.HEADER_BYTES, len(frame) - 8)] ^= 1 << dice.randrange(8)
            return bytes(frame)
        frame = bytearray(dice.choice(self._commands))
        for _ in range(dice.choice((0, 1, 1, 1, 2, 2, 3, 8))):
            at = dice.randrange(frames.HEADER_BYTES, len(frame))
            frame[at] = dice.randrange(256) if dice.random() < 0.3 else frame[at] ^ (1 << at % 8)
        if dice.random() < 0.5:  # a new order: the engine has to remember it
            number = dice.getrandbits(ID_BITS)
            frame[_ID_AT : _ID_AT + 4] = number.to_bytes(4, "little")
        else:
            frame[_ID_AT + 2 : _ID_AT + 4] = bytes(2)
            frame[_ID_AT + 1] &= (1 << ID_BITS - 8) - 1
        kind = frame[_WORDS_AT]
        if (kind < r.FIRST_EXTENDED_KIND) != (len(frame) == _WORDS_AT + 8 * r.COMMAND_WORDS):
            kind ^= r.FIRST_EXTENDED_KIND  # a length that lies ends the session: see below
            frame[_WORDS_AT] = kind
        if dice.random() < 0.05:
            frame[_WORDS_AT] = dice.randrange(r.FIRST_EXTENDED_KIND) | kind & r.FIRST_EXTENDED_KIND
        if request is not None:
            frame[8:16] = request.to_bytes(8, "little")
        return bytes(frame)

    def last_words(self) -> bytes:
        """Return bytes after which the session is over, or in the middle of a frame."""
        dice = self.dice
        frame = bytearray(dice.choice(self._commands + self._others))
        what = dice.randrange(9)
        if what == 0:
            frame[dice.randrange(8)] ^= 1 << dice.randrange(8)  # a header that is off by a bit
        elif what == 1:
            frame[:4] = dice.getrandbits(32).to_bytes(4, "little")  # a length that lies
        elif what == 2:
            frame[:4] = (len(frame) + dice.choice((-8, -1, 1, 8))).to_bytes(
                4, "little", signed=True
            )
        elif what == 3:
            return bytes(frame[: dice.randrange(1, len(frame))])  # half a frame
        elif what == 4:
            other = dice.choice(self._commands)  # two frames spliced
            return (
                bytes(frame[: dice.randrange(1, len(frame))]) + other[dice.randrange(len(other)) :]
            )
        elif what == 5:
            return dice.randbytes(dice.randrange(1, _LONG))
        elif what == 6:
            frame[4] = dice.randrange(256)  # another type
        elif what == 7:
            return bytes(dice.choice(self._ending))
        else:
            return frames.frame(frames.COMMAND, dice.randbytes(dice.randrange(0, 300)))
        return bytes(frame)

    def logon(self, token: str, kind: int) -> bytes:
        """Return a logon of which something is wrong, or everything is right."""
        dice = self.dice
        after = dice.choice((None, 0, -1, 1 << 40, dice.getrandbits(63)))
        frame = bytearray(frames.encode_logon(frames.Logon(kind, token, False, after)))
        for _ in range(dice.randrange(1, 4)):
            frame[dice.randrange(len(frame))] ^= 1 << dice.randrange(8)
        return bytes(frame[: dice.choice((len(frame), len(frame), dice.randrange(len(frame))))])

    def ring_request(self, request: int) -> list[int]:
        """Return a ring's request from a mutated frame."""
        frame = self.frame(request)
        # A BATCH that does not hold what it says ends the ring.
        while frame[4] != frames.COMMAND or frame[_WORDS_AT] == r.BATCH:
            frame = self.frame(request)
        words = memoryview(frame[_WORDS_AT:]).cast("q").tolist()
        trace = memoryview(frame[16:40]).cast("q").tolist()
        if any(trace):
            size = ring.REQUEST_PREFIX_WORDS + ring.TRACE_WORDS + len(words)
            return [size | ring.FLAG_TRACE << 16, request, *trace, *words]
        return [ring.REQUEST_PREFIX_WORDS + len(words), request, *words]

    def broken_ring_request(self) -> list[int]:
        """Return a request at which the ring ends."""
        words = self.ring_request(1)
        words[0] ^= 1 << self.dice.randrange(1, 48)
        return words
