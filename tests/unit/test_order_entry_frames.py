"""The order-entry protocol's bytes, as docs/ORDER_ENTRY.md specifies them."""

import pytest

from shared.domain.commands import PlaceOrder, SetLimits
from shared.wire import frames
from shared.wire.frames import FrameBuffer, FrameError, GatewayCode

ORDER = PlaceOrder(
    account_id=1,
    order_id=(1 << 32) + 7,
    instrument_id=2,
    side=1,
    order_type=1,
    time_in_force=1,
    quantity_lots=5,
    price_ticks=100,
)


def test_a_frame_is_length_type_version_and_body() -> None:
    assert frames.HEARTBEAT_FRAME == bytes([8, 0, 0, 0, 9, 1, 0, 0])
    assert frames.frame(4, b"abc") == bytes([11, 0, 0, 0, 4, 1, 0, 0]) + b"abc"


def test_a_command_carries_request_trace_and_words() -> None:
    trace = bytes(range(24))
    data = frames.encode_command(9, ORDER.words(), trace)
    assert len(data) == 104
    assert data[8:16] == (9).to_bytes(8, "little")
    assert data[16:40] == trace
    assert data[40] == 1, "the first byte of the words is the command's kind"
    decoded = frames.decode_command(data)
    assert (decoded.request, decoded.trace, list(decoded.words)) == (9, trace, ORDER.words())


def test_an_extended_command_has_sixteen_words() -> None:
    data = frames.encode_command(1, SetLimits(1, 2, 3, 4, 5, 6).words())
    assert len(data) == 168
    with pytest.raises(FrameError):
        frames.decode_command(frames.frame(4, data[8:-8]))


def test_a_frame_that_arrives_byte_by_byte_is_whole_at_its_last_byte() -> None:
    data = frames.encode_command(1, ORDER.words()) + frames.HEARTBEAT_FRAME
    buffer = FrameBuffer(frames.MAX_REQUEST_BYTES)
    found = [frame for byte in data for frame in buffer.feed(bytes([byte]))]
    assert found == [data[:104], frames.HEARTBEAT_FRAME]


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ((8, 9, 2, 0), GatewayCode.UNSUPPORTED_VERSION),
        ((8321, 4, 1, 0), GatewayCode.FRAME_TOO_LARGE),
        ((2**32 - 1, 4, 1, 0), GatewayCode.FRAME_TOO_LARGE),
        ((7, 9, 1, 0), GatewayCode.MALFORMED_FRAME),
        ((0, 0, 1, 0), GatewayCode.MALFORMED_FRAME),
        ((8, 9, 1, 1), GatewayCode.MALFORMED_FRAME),
    ],
)
def test_a_bad_header_is_refused_before_its_body_arrives(
    header: tuple[int, int, int, int], code: GatewayCode
) -> None:
    length, kind, version, reserved = header
    data = length.to_bytes(4, "little") + bytes([kind, version]) + reserved.to_bytes(2, "little")
    with pytest.raises(FrameError) as refused:
        FrameBuffer(frames.MAX_REQUEST_BYTES).feed(data)
    assert refused.value.code is code


def test_traceparents_travel_as_twenty_four_bytes() -> None:
    text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert frames.traceparent(frames.trace_bytes(text)) == text
    for absent in ("", "nonsense", "00-zz-zz-01", text.replace("b7", "xx")):
        assert frames.traceparent(frames.trace_bytes(absent)) == ""


def test_codes_from_a_hundred_up_end_the_session() -> None:
    kept = {code for code in GatewayCode if not code.ends_session}
    assert kept == {
        GatewayCode.NOT_AUTHORISED,
        GatewayCode.ENGINE_BUSY,
        GatewayCode.ANSWER_TOO_LARGE,
        GatewayCode.NO_RING,
    }
