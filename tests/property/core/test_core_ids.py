"""The table of ids knows what a plain dictionary knows, also while it is forgetting."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hotpath.core.ids import IdTable, id_digest

_DIGEST_MASK = (1 << 61) - 1
STEPS = st.lists(
    st.tuples(st.sampled_from("iiiiiiiirrraaaf"), st.integers(1, 60)), min_size=20, max_size=400
)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(1, 20))
def test_the_table_knows_what_a_dictionary_knows(
    steps: list[tuple[str, int]], rows_a_step: int
) -> None:
    table, known = IdTable(4, 1 << 10), dict[int, list[int]]()  # id -> first sequence, slot
    table.rows_a_step = rows_a_step
    for sequence, (step, number) in enumerate(steps, 1):
        key = 1 << 32 | number
        if step == "i" and table.first_sequence(key) == 0:
            assert key not in known
            slot = number if number % 3 == 0 else 0
            table.insert(key, sequence, slot)
            known[key] = [sequence, slot]
        elif step == "r" and known.get(key, [0, 0])[1] != 0:
            table.release(key)
            known[key][1] = 0
        elif step == "f":
            until = sequence - number
            table.forget(until)
            known = {id_: row for id_, row in known.items() if row[0] > until or row[1] != 0}
        assert table.first_sequence(key) == known.get(key, [0, 0])[0]
    for key, (first, slot) in known.items():
        assert (table.first_sequence(key), table.slot(table.find(key))) == (first, slot)
    table.finish_forgetting()
    assert table.count == len(known)
    digests = sum(id_digest(key, first) for key, (first, _) in known.items())
    assert table.digest == digests & _DIGEST_MASK
