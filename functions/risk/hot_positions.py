"""The hot copy of positions in Redis: complete for a while, or not there.

One hash per account with a field per instrument, and a key that says for a minute that the hash
holds all of them. A field is only replaced by a newer version, so a writer and a reader that fills
the copy may overlap in any order. Redis may lose anything at any time: what it lacks is read from
PostgreSQL, and a write that it missed is made good when the minute is over.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Final

import msgspec
import redis

from functions.risk.positions import Position
from functions.risk.store import LastPrice

COMPLETE_FOR_S: Final = 60
KEEP_S: Final = 24 * 3600
_PRICES: Final = "risk:last_prices"
_VERSION_DIGITS: Final = 20  # versions compare as text: Lua's numbers end at 2^53

# KEYS[1] hash; ARGV[1] seconds to keep it, then triples of field, version, value.
_PUT_NEWER: Final = """
for i = 2, #ARGV, 3 do
    local held = redis.call('HGET', KEYS[1], ARGV[i])
    if not held or ARGV[i + 1] > string.sub(held, 1, string.len(ARGV[i + 1])) then
        redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1] .. ARGV[i + 2])
    end
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class HotPositions:
    """The hot copy. It gives way when Redis is down: reads find nothing, writes do nothing."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._put_newer = client.register_script(_PUT_NEWER)

    def put(self, positions: Iterable[Position], prices: Iterable[LastPrice]) -> None:
        """Write changed positions and prices through."""
        by_account: dict[int, list[Position]] = {}
        for position in positions:
            by_account.setdefault(position.account_id, []).append(position)
        try:
            for account_id, changed in by_account.items():
                self._put_positions(account_id, changed)
            self._put_prices(prices)
        except redis.RedisError:
            return

    def get(self, account_id: int) -> list[Position] | None:
        """Return an account's positions by instrument, or None when the copy is not complete."""
        try:
            if not self._client.exists(_complete_key(account_id)):
                return None
            held = [
                Position(*msgspec.json.decode(raw[_VERSION_DIGITS:]))
                for raw in self._client.hvals(_key(account_id))
            ]
        except redis.RedisError:
            return None
        return sorted(held, key=lambda position: position.instrument_id)

    def fill(
        self, account_id: int, positions: Sequence[Position], prices: Iterable[LastPrice]
    ) -> None:
        """Make an account's copy complete with what PostgreSQL has."""
        try:
            self._put_prices(prices)
            self._put_positions(account_id, positions)
            self._client.set(_complete_key(account_id), "1", ex=COMPLETE_FOR_S)
        except redis.RedisError:
            return

    def prices(self) -> dict[int, int]:
        """Return last prices in ticks by instrument, as far as there is a copy."""
        try:
            fields = self._client.hgetall(_PRICES)
        except redis.RedisError:
            return {}
        return {int(field): int(raw[_VERSION_DIGITS:]) for field, raw in fields.items()}

    def _put_positions(self, account_id: int, positions: Sequence[Position]) -> None:
        triples = [
            (position.instrument_id, position.version, msgspec.json.encode(astuple(position)))
            for position in positions
        ]
        self._put(_key(account_id), triples)

    def _put_prices(self, prices: Iterable[LastPrice]) -> None:
        triples = [
            (price.instrument_id, price.trade_id, str(price.price_ticks).encode())
            for price in prices
        ]
        self._put(_PRICES, triples)

    def _put(self, key: str, triples: Sequence[tuple[int, int, bytes]]) -> None:
        if not triples:
            return
        arguments: list[int | str | bytes] = [KEEP_S]
        for field, version, value in triples:
            arguments += [field, f"{version:0{_VERSION_DIGITS}d}", value]
        self._put_newer(keys=[key], args=arguments)


def _key(account_id: int) -> str:
    return f"risk:positions:{account_id}"


def _complete_key(account_id: int) -> str:
    return f"risk:positions:{account_id}:complete"
