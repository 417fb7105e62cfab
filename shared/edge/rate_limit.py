"""Per-user rate limits: a token bucket in Redis, and a stricter one in the process without it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import redis
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from shared.edge.problems import Problem
from shared.edge.settings import setting

# KEYS[1] bucket; ARGV rate per second, burst. Redis's own clock: no two hosts disagree.
# Returns milliseconds to wait, 0 when the request may pass.
_TAKE: Final = """
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local state = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(state[1]) or burst
local at = tonumber(state[2]) or now_ms
tokens = math.min(burst, tokens + math.max(0, now_ms - at) * rate / 1000)
local wait_ms = 0
if tokens >= 1 then tokens = tokens - 1 else wait_ms = math.ceil((1 - tokens) * 1000 / rate) end
redis.call('HSET', KEYS[1], 'tokens', tokens, 'at', now_ms)
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return wait_ms
"""
_REDIS_PAUSE_S: Final = 1.0  # how long the local bucket serves alone after Redis has failed
_LOCAL_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """Sustained requests per second and how many may come at once."""

    per_second: float
    burst: int

    def stricter(self) -> "Limit":
        """Return what one process allows on its own while the shared count is gone."""
        return Limit(self.per_second / 4, max(1, self.burst // 4))


# Per user and class of routes. `anonymous` counts by source address.
LIMITS: Final[Mapping[str, Limit]] = {
    "orders": Limit(200, 400),
    "reads": Limit(100, 200),
    "money": Limit(10, 40),
    "anonymous": Limit(20, 60),
}


class LocalBuckets:
    """Token buckets of this process, the least recently used forgotten first."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str, limit: Limit) -> int:
        """Return 0 when the request may pass, else the milliseconds to wait."""
        now_s = self._now_s()
        with self._lock:
            tokens, at_s = self._buckets.pop(key, (float(limit.burst), now_s))
            tokens = min(limit.burst, tokens + (now_s - at_s) * limit.per_second)
            wait_ms = 0 if tokens >= 1 else int((1 - tokens) / limit.per_second * 1_000) + 1
            self._buckets[key] = (tokens - 1 if wait_ms == 0 else tokens, now_s)
            if len(self._buckets) > _LOCAL_BUCKETS:
                self._buckets.popitem(last=False)
        return wait_ms


class RateLimiter:
    """Counts in Redis; while Redis is down, in this process against a stricter limit."""

    def __init__(
        self,
        client: redis.Redis,
        *,
        limits: Mapping[str, Limit] = LIMITS,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = client.register_script(_TAKE)
        self._limits = limits
        self._now_s = now_s
        self._local = LocalBuckets(now_s)
        self._redis_again_s = 0.0

    def check(self, user: str, route_class: str) -> None:
        """Raise the 429 Problem with Retry-After when the user is over the limit."""
        wait_ms = self._wait_ms(f"rate:{route_class}:{user}", self._limits[route_class])
        if wait_ms > 0:
            retry_after_s = str(-(-wait_ms // 1_000))
            raise Problem(
                429,
                "rate_limited",
                "Too many requests.",
                headers={"Retry-After": retry_after_s},
            )

    def _wait_ms(self, key: str, limit: Limit) -> int:
        if self._now_s() >= self._redis_again_s:
            try:
                return int(self._take(keys=[key], args=[limit.per_second, limit.burst]))
            except redis.RedisError:
                self._redis_again_s = self._now_s() + _REDIS_PAUSE_S
        return self._local.take(key, limit.stricter())


@cache
def limiter() -> RateLimiter:
    """Return this process's limiter on REDIS_URL. No retries and short waits: it must not delay."""
    client = redis.Redis.from_url(
        setting("REDIS_URL"), socket_connect_timeout=0.2, socket_timeout=0.2, retry=None
    )
    return RateLimiter(client)


def rate_limit(
    route_class: str, source: Callable[[], RateLimiter] = limiter
) -> Callable[[APIGatewayHttpResolver, NextMiddleware], Response[Any]]:
    """Return a route middleware that counts a request against its user, or its source address."""

    def middleware(app: APIGatewayHttpResolver, next_middleware: NextMiddleware) -> Response[Any]:
        request = app.current_event.raw_event.get("requestContext") or {}
        claims = ((request.get("authorizer") or {}).get("jwt") or {}).get("claims") or {}
        address = (request.get("http") or {}).get("sourceIp", "unknown")
        source().check(str(claims.get("sub") or address), route_class)
        return next_middleware(app)

    return middleware
