"""The emulator's log streams are bounded, oldest first."""

from hypothesis import given
from hypothesis import strategies as st

from infra.local.emulator.patches import keep_newest


@given(st.lists(st.text(), unique=True), st.integers(min_value=0, max_value=8))
def test_the_newest_entries_stay_in_their_order(names: list[str], count: int) -> None:
    entries = dict.fromkeys(names)
    keep_newest(entries, count)
    assert list(entries) == names[max(len(names) - count, 0) :]
