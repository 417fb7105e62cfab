"""Rate limits against a real Redis, and without one."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.edge.problems import Problem
from shared.edge.rate_limit import Limit, LocalBuckets, RateLimiter
from tests.support.servers import Server

NO_RETRY = Retry(NoBackoff(), retries=0)

LIMITS = {"orders": Limit(per_second=0.5, burst=8)}


def passes(limiter: RateLimiter, user: str) -> bool:
    return refusal(limiter, user) is None


def refusal(limiter: RateLimiter, user: str) -> Problem | None:
    try:
        limiter.check(user, "orders")
    except Problem as problem:
        return problem
    return None


@pytest.fixture
def client(redis_server: Server):
    client = redis.Redis.from_url(redis_server.url)
    yield client
    client.delete(*client.keys("rate:orders:*"))
    client.close()


def test_a_burst_in_parallel_lets_exactly_the_burst_pass(client: redis.Redis) -> None:
    limiters = [RateLimiter(client, limits=LIMITS) for _ in range(4)]  # as many processes
    user = uuid.uuid4().hex
    with ThreadPoolExecutor(16) as threads:
        passed = list(threads.map(lambda number: passes(limiters[number % 4], user), range(100)))
    assert passed.count(True) == 8


def test_who_is_over_the_limit_is_told_when_to_come_back(client: redis.Redis) -> None:
    limiter, user = RateLimiter(client, limits=LIMITS), uuid.uuid4().hex
    problem = [refusal(limiter, user) for _ in range(9)][-1]
    assert problem is not None
    assert (problem.status, problem.code) == (429, "rate_limited")
    assert problem.headers == {"Retry-After": "2"}


def test_one_users_limit_leaves_others_alone(client: redis.Redis) -> None:
    limiter = RateLimiter(client, limits=LIMITS)
    greedy, modest = uuid.uuid4().hex, uuid.uuid4().hex
    assert [passes(limiter, greedy) for _ in range(9)].count(True) == 8
    assert passes(limiter, modest)


def test_buckets_expire_so_that_redis_does_not_fill_up(client: redis.Redis) -> None:
    user = uuid.uuid4().hex
    passes(RateLimiter(client, limits=LIMITS), user)
    assert 0 < client.pttl(f"rate:orders:{user}") <= 17_000


def test_without_redis_requests_pass_within_a_stricter_limit_of_the_process() -> None:
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2, retry=NO_RETRY)
    limiter = RateLimiter(nowhere, limits=LIMITS)
    assert [passes(limiter, "user") for _ in range(9)].count(True) == 2


def test_redis_is_asked_again_after_a_pause(client: redis.Redis) -> None:
    now_s = [100.0]
    user = uuid.uuid4().hex
    nowhere = redis.Redis(port=1, socket_connect_timeout=0.2, retry=NO_RETRY)
    limiter = RateLimiter(nowhere, limits=LIMITS, now_s=lambda: now_s[0])
    assert [passes(limiter, user) for _ in range(3)] == [True, True, False]
    limiter._take = RateLimiter(client, limits=LIMITS)._take  # Redis is back
    assert not passes(limiter, user)
    now_s[0] += 1.0
    assert passes(limiter, user)


def test_a_local_bucket_refills_at_its_rate_and_never_over_its_burst() -> None:
    now_s = [0.0]
    buckets, limit = LocalBuckets(lambda: now_s[0]), Limit(per_second=2, burst=3)
    assert [buckets.take("u", limit) for _ in range(3)] == [0, 0, 0]
    wait_ms = buckets.take("u", limit)
    assert 500 <= wait_ms <= 501
    now_s[0] += wait_ms / 1_000
    assert buckets.take("u", limit) == 0
    now_s[0] += 1_000
    assert [buckets.take("u", limit) == 0 for _ in range(4)] == [True, True, True, False]
