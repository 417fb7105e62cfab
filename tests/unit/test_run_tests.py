"""`make test`: no folder of tests is left out or run twice, and one line tells how all ended."""

from collections import Counter

import pytest

from infra import run_tests
from infra.run_tests import Outcome


def test_every_folder_is_in_one_pass() -> None:
    found = [folder for wanted in run_tests.other_passes("compiled") for folder in wanted.folders]
    assert sorted(found) == run_tests.folders_with_tests()
    assert {"unit", "integration", "e2e", "security", "sim"} <= set(found)


@pytest.mark.parametrize(
    "line, expected",
    [
        ("===== 588 passed, 1 skipped, 8 warnings in 4.23s (0:00:04) =====", (588, 0, 1)),
        ("2 failed, 3 passed, 1 error in 1.00s", (3, 2, 0)),
        ("=== no tests ran in 0.01s ===", (0, 0, 0)),
    ],
)
def test_counts_are_those_of_the_closing_line(line: str, expected: tuple[int, int, int]) -> None:
    found = run_tests.counts(f"tests/unit/test_a.py 7 passed\n{line}\n")
    assert (found["passed"], found["failed"], found["skipped"]) == expected


@pytest.mark.parametrize(
    "codes, expected",
    [((0, 0), 0), ((0, 5), 0), ((5, 5), 5), ((0, 1), 1), ((2, 5), 2), ((-9, 0), -9)],
)
def test_one_pass_that_fails_makes_all_fail_and_an_empty_one_does_not(
    codes: tuple[int, ...], expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [Outcome(code, Counter(warning=1, passed=3, deselected=9)) for code in codes]
    assert run_tests.conclude(outcomes, 61.4) == expected
    assert f" {3 * len(codes)} passed, {len(codes)} warnings in 61.40s " in capsys.readouterr().out
