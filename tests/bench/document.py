"""docs/PERFORMANCE.md: the engine's part first, then a section of each other benchmark."""

import re
from pathlib import Path
from typing import Final

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "PERFORMANCE.md"
_TITLES: Final = {
    "wire": "Command to acknowledgement",
    "overload": "Overload",
    "publish": "Publishing",
    "snapshot": "Answers while a snapshot is written",
    "restart": "Restart",
}
_SECTION: Final = re.compile(r"<!-- section: (\w+) -->\n(.*?)<!-- end -->\n", re.DOTALL)


def replace_section(name: str, text: str) -> None:
    """Write one benchmark's section; all others stay as they are."""
    document = PATH.read_text(encoding="utf-8")
    found = sections(document)
    found[name] = f"## {_TITLES[name]}\n\n{text}\n\n"
    PATH.write_text(_joined(_SECTION.sub("", document), found), encoding="utf-8")


def replace_main(text: str) -> None:
    """Write the engine's part; the sections stay as they are."""
    found = sections(PATH.read_text(encoding="utf-8"))
    PATH.write_text(_joined(text, found), encoding="utf-8")


def sections(document: str) -> dict[str, str]:
    return dict(_SECTION.findall(document))


def _joined(main: str, found: dict[str, str]) -> str:
    order = sorted(found, key=list(_TITLES).index)
    parts = [f"\n<!-- section: {name} -->\n{found[name]}<!-- end -->\n" for name in order]
    return main.rstrip("\n") + "\n" + "".join(parts)
