"""Orders name the session that sent them: a member's number, none for services."""

from hotpath.runtime.gateway.stamping import with_session
from shared.domain import records as r
from shared.domain.command_size import command_bytes, is_one_command
from shared.domain.commands import Batch, CancelOrder, Command
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import member_order_id
from shared.wire import frames
from tests.support.engine import INSTRUMENT, limit_order

PLAIN = limit_order(7, 1, r.BUY, 100, 5)
EXTENDED = PlaceExtendedOrder(
    7, member_order_id(7, 2), INSTRUMENT, r.BUY, r.LIMIT, r.DAY, 5, 100, self_trade=2, session=99
)
CANCEL = CancelOrder(7, member_order_id(7, 1), INSTRUMENT)


def stamped(command: Command, session: int, *, is_throttled: bool = False) -> tuple[int, ...]:
    frame = with_session(frames.encode_command(1, command.words()), session, is_throttled)
    return frames.decode_command(frame).words  # it is whole: decoding checks the lengths


def test_an_extended_order_names_its_session_whatever_it_said_itself() -> None:
    for session in (0, 7):
        words = stamped(EXTENDED, session)
        assert words[r.C_MODES] == r.pack_modes(self_trade=2, session=session)
        kept = [word for at, word in enumerate(words) if at != r.C_MODES]
        assert kept == [word for at, word in enumerate(EXTENDED.words()) if at != r.C_MODES]


def test_a_plain_order_is_made_an_extended_one_only_while_its_session_is_throttled() -> None:
    assert list(stamped(PLAIN, 7)) == PLAIN.words()
    words = stamped(PLAIN, 7, is_throttled=True)
    assert words[0] == PLAIN.words()[0] - r.PLACE_ORDER + r.PLACE_ORDER_EXTENDED
    assert words[1:8] == tuple(PLAIN.words()[1:])
    assert words[8:] == (0, 0, 0, 0, 0, 0, r.pack_modes(session=7), 0)


def test_every_order_of_a_batch_is_stamped_and_the_rest_stays() -> None:
    batch = Batch(7, (PLAIN, EXTENDED, CANCEL))
    words = stamped(batch, 7, is_throttled=True)
    assert words[: r.COMMAND_WORDS] == tuple(batch.words()[: r.COMMAND_WORDS])
    assert words[8:24] == stamped(PLAIN, 7, is_throttled=True)
    assert words[24:40] == stamped(EXTENDED, 7)
    assert words[40:] == tuple(CANCEL.words())
    assert list(stamped(CANCEL, 7, is_throttled=True)) == CANCEL.words()


def test_a_commands_length_is_known_from_its_bytes_and_what_is_cut_is_no_command() -> None:
    for command in (PLAIN, EXTENDED, Batch(7, (PLAIN, EXTENDED, CANCEL))):
        data = frames.encode_command(1, command.words())[frames.COMMAND_PREFIX_BYTES :]
        assert command_bytes(data + bytes(64), 0) == len(data)
        assert is_one_command(data, 0)
        for wrong in (data[:-8], data + bytes(8), data[:1], b""):
            assert not is_one_command(wrong, 0)
