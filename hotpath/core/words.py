"""Rows of 64-bit words: the memory that every table of the core is made of."""

from librt.vecs import vec
from mypy_extensions import i64


def zeros(count: i64) -> vec[i64]:
    """Return `count` words of zero."""
    return vec[i64]([0] * count)


def grown(old: vec[i64], count: i64) -> vec[i64]:
    """Return a copy of `old`, lengthened with zeros to `count` words."""
    new = zeros(count)
    index: i64 = 0
    size: i64 = len(old)
    while index < size:
        new[index] = old[index]
        index += 1
    return new


def next_capacity(capacity: i64, maximum: i64) -> i64:
    """Return how large a table of `capacity` rows grows: twice as large, `maximum` at most."""
    return min(capacity * 2, maximum)


def prefetch(words: vec[i64], at: i64) -> None:
    """Ask for the cache line of a word that will soon be needed, without waiting for it.

    Only compiled code does (see compiler_hints.py); `at` may be anything.
    """
