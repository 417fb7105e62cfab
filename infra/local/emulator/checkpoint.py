"""Checkpoints of the emulator's state: written aside, then renamed; the previous one is kept.

The emulator itself saves only when it is stopped in an orderly way. What must survive a kill is
what lives nowhere else: logins, pool and API ids, secrets, schedules, the list of stored objects.
"""

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

# A service's state may change under the copy; then the copy is taken again.
_COPY_ATTEMPTS: Final = 5
# Under load log lines come faster than they can be copied. A checkpoint then holds those of the one
# before it: logins and ids must not wait for a quiet moment.
_MAY_LAG: Final = frozenset({"cloudwatch_logs"})
_MANIFEST: Final = "checkpoint.json"

ServiceStates = Mapping[str, Callable[[], Any]]
Encode = Callable[[str, Any], str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a start found: the checkpoint's time, and the calls made after it, which are lost.

    `taken_at_s` is None when there was no checkpoint. After an orderly stop `lost` is empty.
    """

    taken_at_s: float | None
    lost: dict[str, int]
    started_at_s: float = field(default_factory=time.time)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Checkpoints:
    """The checkpoint folder of one emulator: `current`, `previous`, and the calls since then."""

    def __init__(self, folder: Path, encode: Encode) -> None:
        self.folder = folder
        self.current = folder / "current"
        self._previous = folder / "previous"
        self._since = folder / "since-checkpoint.log"
        self._encode = encode
        self._lock = threading.Lock()
        self._changed = False

    def recover(self) -> Restored:
        """Make `current` the newest whole checkpoint; return it and what came after it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.folder / "new", ignore_errors=True)
        if not (self.current / _MANIFEST).exists() and (self._previous / _MANIFEST).exists():
            shutil.rmtree(self.current, ignore_errors=True)
            self._previous.rename(self.current)
        manifest = self.current / _MANIFEST
        taken_at_s = None
        if manifest.exists():
            taken_at_s = float(json.loads(manifest.read_text(encoding="utf-8"))["taken_at_s"])
        lost = (
            Counter(self._since.read_text(encoding="utf-8").splitlines())
            if self._since.exists()
            else Counter[str]()
        )
        self._since.unlink(missing_ok=True)
        return Restored(taken_at_s, dict(sorted(lost.items())))

    @property
    def changed(self) -> bool:
        """Return whether something was called since the last checkpoint that changes state."""
        return self._changed

    def note(self, call: str) -> None:
        """Remember a call that changes state, before it is carried out."""
        with self._since.open("a", encoding="utf-8") as log:
            log.write(call + "\n")
        self._changed = True

    def take(self, services: ServiceStates) -> None:
        """Write a checkpoint of all services and make it the current one.

        Raises OSError when it cannot be written, RuntimeError when the state of a service that may
        not lag cannot be copied; the checkpoint before it then stays the current one.
        """
        with self._lock:
            covered = self._since.stat().st_size if self._since.exists() else 0
            self._changed = False
            try:
                self._write(services)
            except BaseException:
                self._changed = True
                raise
            self._forget_calls(covered)

    def _write(self, services: ServiceStates) -> None:
        new = self.folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700, parents=True)
        for service, state_of in services.items():
            file = f"{service}.json"
            try:
                state = _copy(state_of)
            except RuntimeError:
                if service not in _MAY_LAG:
                    raise
                if (self.current / file).exists():
                    shutil.copyfile(self.current / file, new / file)
                continue
            if state is not None:
                _write_durably(new / file, self._encode(service, state))
        _write_durably(new / _MANIFEST, json.dumps({"taken_at_s": time.time()}))
        shutil.rmtree(self._previous, ignore_errors=True)
        if self.current.exists():
            self.current.rename(self._previous)
        new.rename(self.current)

    def _forget_calls(self, covered_bytes: int) -> None:
        """Drop the calls that the checkpoint holds; those noted while it was written stay."""
        if not self._since.exists():
            return
        with self._since.open("r+b") as log:
            log.seek(covered_bytes)
            rest = log.read()
            log.seek(0)
            log.truncate()
            log.write(rest)


def _copy(state_of: Callable[[], Any]) -> Any:
    for attempt in range(_COPY_ATTEMPTS):
        try:
            return state_of()
        except RuntimeError:  # "dictionary changed size during iteration"
            if attempt == _COPY_ATTEMPTS - 1:
                raise
            time.sleep(0.01)
    raise AssertionError("unreachable")


def _write_durably(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
