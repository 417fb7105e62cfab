"""Sorting rows of a key and a value, without an object for each: snapshots stand in order."""

from typing import Final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.words import zeros

_BITS: Final = 8
_BUCKETS: Final = 1 << _BITS


def sorted_pairs(pairs: vec[i64], count: i64) -> vec[i64]:
    """Return `count` pairs of key (not negative) and value in the order of their keys.

    They are moved by one part of the key after the other, the lowest first.
    """
    here: vec[i64] = pairs
    there: vec[i64] = zeros(2 * count)
    lowest: i64 = _lowest_key(pairs, count)
    left: i64 = _highest_key(pairs, count) - lowest
    shift: i64 = 0
    while left > 0:
        _move(here, there, count, lowest, shift)
        other = here
        here = there
        there = other
        left = left >> _BITS
        shift += _BITS
    return here


def _move(here: vec[i64], there: vec[i64], count: i64, lowest: i64, shift: i64) -> None:
    """Move pairs to where a part of their key wants them, equal ones as they came."""
    places: vec[i64] = zeros(_BUCKETS + 1)
    end: i64 = 2 * count
    at: i64 = 0
    while at < end:
        bucket: i64 = ((here[at] - lowest) >> shift & (_BUCKETS - 1)) + 1
        places[bucket] = places[bucket] + 2
        at += 2
    bucket = 0
    while bucket < _BUCKETS:
        places[bucket + 1] = places[bucket + 1] + places[bucket]
        bucket += 1
    at = 0
    while at < end:
        key: i64 = here[at]
        bucket = (key - lowest) >> shift & (_BUCKETS - 1)
        to: i64 = places[bucket]
        places[bucket] = to + 2
        there[to] = key
        there[to + 1] = here[at + 1]
        at += 2


def _lowest_key(pairs: vec[i64], count: i64) -> i64:
    lowest: i64 = 0 if count == 0 else pairs[0]
    at: i64 = 0
    while at < 2 * count:
        lowest = min(lowest, pairs[at])
        at += 2
    return lowest


def _highest_key(pairs: vec[i64], count: i64) -> i64:
    highest: i64 = 0
    at: i64 = 0
    while at < 2 * count:
        highest = max(highest, pairs[at])
        at += 2
    return highest
