"""The bucket that says how many orders may be taken now."""

from hotpath.runtime.rate_limit import UNLIMITED, RateLimit

SECOND_NS = 1_000_000_000


def test_no_rate_is_no_limit() -> None:
    rate = RateLimit(0, 0)
    rate.fill(SECOND_NS)
    assert rate.left == UNLIMITED


def test_what_is_taken_in_a_second_is_the_rate_however_often_one_looks() -> None:
    for looks in (101, 1_000, 77_777):
        rate, taken = RateLimit(50_000, 0), 0
        for look in range(1, looks + 1):
            rate.fill(look * SECOND_NS // looks)
            taken += rate.left
            rate.left = 0
        assert taken == 50_000


def test_what_was_not_used_is_kept_for_a_tenth_of_a_second_alone() -> None:
    rate = RateLimit(50_000, 0)
    rate.fill(60 * SECOND_NS)
    assert rate.left == 5_000


def test_a_slow_rate_lets_one_through_at_a_time() -> None:
    rate = RateLimit(10, 0)
    rate.fill(SECOND_NS // 20)
    assert rate.left == 0
    rate.fill(SECOND_NS // 10)
    assert rate.left == 1
    rate.fill(SECOND_NS)
    assert rate.left == 1
