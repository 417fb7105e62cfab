"""What belongs to nobody in particular: fee tiers, tick tables, kill switches, amended trades."""

from typing import final

from mypy_extensions import i64


@final
class House:
    """Small tables that only cold paths read; a key that is not there was never set."""

    def __init__(self) -> None:
        self.tiers: dict[int, tuple[int, int, int]] = {0: (0, 0, 0)}  # maker, taker, auction
        self.tick_tables: dict[int, list[tuple[int, int]]] = {0: [(1, 1)]}  # (from price, step)
        self.killed_groups: dict[int, bool] = {}
        self.firm_killed: bool = False
        # trade -> terms that it has now; empty: busted
        self.amended: dict[tuple[int, int], tuple[int, ...]] = {}

    def is_killed(self, group: i64) -> bool:
        return self.firm_killed or (group != 0 and int(group) in self.killed_groups)

    def tick_step(self, table: i64, price: i64) -> i64:
        """Return the step of the row that begins at or below the price."""
        step = 1
        for start, row_step in self.tick_tables[int(table)]:
            if start <= price:
                step = row_step
        return step

    def kill_group(self, group: i64, on: bool) -> None:
        if on:
            self.killed_groups[int(group)] = True
        else:
            self.killed_groups.pop(int(group), None)
