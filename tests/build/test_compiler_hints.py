"""Hints for the C compiler: they name functions that are there, and change no statement."""

import re

import pytest

from hotpath.build import COMPILED_MODULES, ROOT, source_path
from hotpath.compiler_hints import HOT, INLINED, ROW_WORDS, add_hints
from hotpath.core.layout import ROW_ROOM

_HINT = re.compile(r"__attribute__\(\(\w+\)\) |inline |likely\((\w+)\)")


def test_every_function_to_inline_is_in_the_core() -> None:
    for module, names in INLINED.items():
        assert module in HOT
        homes = (f"hotpath.core.{module}", f"hotpath.runtime.{module}")
        (full_name,) = set(homes).intersection(COMPILED_MODULES)
        source = source_path(full_name, ROOT).read_text(encoding="utf-8")
        for name in names:
            assert f"def {name.split('.')[-1]}(" in source, f"{module}: {name}"


def _c_text() -> str:
    names = [f"{module}___{name}" for module, names in INLINED.items() for name in names]
    lines = [f"int64_t CPyDef_{name.replace('.', '___')}(int64_t a) {{\n}}" for name in names]
    lines += ["PyObject *CPyPy_book___enter_level(PyObject *self) {\n}"]
    lines += ["char CPyDef_matching___Matching___match(PyObject *cpy_r_self) {"]
    lines += ["    cpy_r_r3 = (uint64_t)cpy_r_r1 < (uint64_t)cpy_r_r2;"]
    lines += ["    if (cpy_r_r3) goto CPyL5;\n}"]
    lines += ["  PyObject *CPyPy_book___leave_level(PyObject *self) {\n}"]
    return "\n".join(lines)


def test_hints_mark_functions_and_indexes_and_nothing_else() -> None:
    text = _c_text()
    hinted = add_hints(text)
    assert hinted.count("always_inline") == sum(map(len, INLINED.values()))
    assert "__attribute__((cold)) PyObject *CPyPy_book___enter_level" in hinted
    assert "__attribute__((cold))   PyObject *CPyPy_book___leave_level" in hinted
    assert "\nchar CPyDef_matching___Matching___match" in hinted
    assert "if (likely(cpy_r_r3)) goto CPyL5;" in hinted
    assert _HINT.sub(r"\1", hinted) == text


_ROW_INDEX = """char CPyDef_{module}___touch(VecI64 cpy_r_{table}, int64_t cpy_r_row) {{
    cpy_r_r0 = cpy_r_row + {word};
    cpy_r_r1 = (int64_t)cpy_r_{table}.len;
    cpy_r_r2 = (uint64_t)cpy_r_r0 < (uint64_t)cpy_r_r1;
    if (cpy_r_r2) goto CPyL5;
    cpy_r_r3 = cpy_r_r0 + cpy_r_r1;
    cpy_r_r4 = (uint64_t)cpy_r_r3 < (uint64_t)cpy_r_r1;
}}"""


def _hinted(module: str, table: str, word: int) -> str:
    text = _ROW_INDEX.format(module=module, table=table, word=word)
    return add_hints(f"{_c_text()}\n{text}\n").removeprefix(add_hints(_c_text()))


def test_one_test_stands_for_all_words_of_a_row_of_a_table() -> None:
    hinted = _hinted("book", "orders", 5)
    assert "cpy_r_r2 = row_is_inside(cpy_r_row, cpy_r_r1);" in hinted
    assert "cpy_r_r4 = 0;" in hinted, "no table is read from its end"


@pytest.mark.parametrize(
    ("module", "table", "word"), [("book", "c", 5), ("book", "orders", 32), ("snapshot", "rows", 5)]
)
def test_other_indexes_are_tested_by_themselves(module: str, table: str, word: int) -> None:
    hinted = _hinted(module, table, word)
    assert "row_is_inside" not in hinted
    assert "cpy_r_r4 = (uint64_t)cpy_r_r3 < (uint64_t)cpy_r_r1;" in hinted


def test_the_room_behind_the_last_row_is_what_the_test_asks_for() -> None:
    assert ROW_ROOM == ROW_WORDS
    assert "words < 32 ? 0 : words - 31" in (ROOT / "hotpath/core_build_hints.h").read_text()


def test_a_function_to_inline_that_is_not_in_the_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such functions to inline"):
        add_hints("int64_t CPyDef_ids____home(int64_t cpy_r_key) {\n}")


def test_prefetching_is_left_to_the_processor() -> None:
    head = "char CPyDef_words___prefetch(VecI64 cpy_r_words, int64_t cpy_r_at) {\n"
    hinted = add_hints(_c_text() + "\n" + head + "    return 1;\n}")
    assert head + "    __builtin_prefetch(cpy_r_words.items + cpy_r_at);\n" in hinted
