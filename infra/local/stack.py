"""The local stack as one object: which parts it has, and up, down, reset and status of all."""

import json
import os
import shutil
import time
import urllib.request
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, Self

from hotpath.build import BuildFailed, ensure_core_build, source_hash
from infra.local import databases, deploy, journals, preflight, provision, runner, secrets
from infra.local.errors import SettingsConflict, StackError
from infra.local.lock import exclusive
from infra.local.part import Part, Step
from infra.local.parts import emulator
from infra.local.parts.consumers import consumers
from infra.local.parts.engine import engine, other_host, publisher, replicator
from infra.local.parts.feed import feed
from infra.local.parts.postgres import postgres, remove_data
from infra.local.parts.providers import providers
from infra.local.parts.redis import cache
from infra.local.parts.standby import adopt, follower, standby
from infra.local.parts.stream import stream
from infra.local.process import ProcessRecord
from infra.local.progress import Progress
from infra.local.settings import Settings, load_saved, shard_part

_KEPT_FOR_LIFE: Final = ("stream", "shards", "kafka_bootstrap_servers", "database_url")


class LocalStack:
    """One stack, running or not. As a context manager it is up inside the block and down after."""

    def __init__(self, settings: Settings, progress: Progress | None = None) -> None:
        self.settings = settings
        self._progress = progress if progress is not None else Progress()
        self._parts: list[Part] | None = None

    # --- what there is --------------------------------------------------------------------------

    @property
    def parts(self) -> list[Part]:
        """Return all parts that this stack starts itself, in a fixed order."""
        if self._parts is None:
            self._parts = _parts(self.settings)
        return self._parts

    def part(self, name: str) -> Part:
        """Return a part by name; raise KeyError when the stack has none of that name."""
        return {part.name: part for part in self.parts}[name]

    # --- all of it ------------------------------------------------------------------------------

    def up(self) -> provision.Provisioned:
        """Start what does not run, bring stores and functions up to date, provision users.

        Harmless when all runs already. Raises StackError.
        """
        preflight.check(self.settings)
        with exclusive(self.settings, self._progress):
            self._adopt_settings()
            self.adopt_standby()
            self._parts = None  # what they read from the state folder may have been reset
            runner.run_graph([*self.parts, *self._steps()], self._progress)
            provisioned = provision.provision(self.settings, self._progress)
            deploy.checkpoint(self.settings)
            return provisioned

    def down(self) -> None:
        """Stop every part and whatever it started; nothing of the stack runs afterwards."""
        with exclusive(self.settings, self._progress):
            runner.stop_all(self.parts, self._progress)

    def reset(self) -> None:
        """Stop everything and forget all data and logs; the settings and the folder stay."""
        with exclusive(self.settings, self._progress):
            runner.stop_all(self.parts, self._progress)
            remove_data(self.settings)
            for entry in self.settings.state.iterdir():
                if entry.name in ("run", "settings.json"):
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            self.settings.save()

    def forget_outside_data(self) -> None:
        """Remove what a stopped stack keeps outside its state folder, before that is deleted."""
        remove_data(self.settings)

    def status(self) -> dict[str, Any]:
        """Return {"parts": [{"name", "state", "detail"}], "compiled": bool}."""
        self.adopt_standby()
        parts = [asdict(status) for status in runner.status(self.parts)]
        reports = [engine_report(self.settings, shard) for shard in range(self.settings.shards)]
        compiled = all(report.get("compiled") is True for report in reports)
        return {"parts": parts, "compiled": compiled}

    def is_healthy(self) -> bool:
        return all(status.state == "healthy" for status in runner.status(self.parts))

    # --- single parts, for tests that break things ----------------------------------------------

    def start(self, name: str) -> None:
        runner.start(self.part(name))

    def stop(self, name: str) -> None:
        runner.stop_part(self.part(name))

    def kill(self, name: str) -> None:
        """End a part with SIGKILL, as a crash would."""
        runner.kill_part(self.part(name))

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def adopt_standby(self) -> bool:
        """Know a standby as the engine once it has taken over; return whether one just had."""
        if not self.settings.standby:
            return False
        reports = [engine_report(self.settings, shard) for shard in range(self.settings.shards)]
        adopted = [
            adopt(self.settings, int(report.get("process_id", 0)), shard)
            for shard, report in enumerate(reports)
        ]
        return any(adopted)

    # --- context manager ------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    # --- inside ---------------------------------------------------------------------------------

    def _adopt_settings(self) -> None:
        """Save the settings, unless parts run or data was made with others."""
        saved = load_saved(self.settings.state)
        if saved is not None and saved != self.settings:
            names = [
                name
                for name, value in asdict(saved).items()
                if value != asdict(self.settings)[name]
            ]
            running = [part.name for part in _parts(saved) if _runs(part)]
            if running:
                raise SettingsConflict(
                    f"{', '.join(running)} run with another {', '.join(names)}:"
                    " `trading down` first"
                )
            changed = [name for name in names if name in _KEPT_FOR_LIFE]
            if changed and self.settings.deployment_file.exists():
                raise SettingsConflict(
                    f"{self.settings.state} holds data made with another {', '.join(changed)}:"
                    " choose another TRADING_STATE, or `trading reset`"
                )
        self.settings.save()

    def _steps(self) -> list[Step]:
        settings = self.settings
        return [
            Step("build-core", self._prepare_core),
            Step("journals", lambda: journals.settle(settings)),
            Step("databases", lambda: databases.prepare(settings), after=("postgres",)),
            Step("secrets", self._restore_secrets, after=("emulator", "postgres")),
            Step("deploy", lambda: deploy.deploy(settings), after=("secrets", "databases")),
        ]

    def build_core(self) -> str:
        """Compile the core unless it is current; return which kind there is."""
        if os.environ.get("TRADING_CORE") == "interpreted":
            return "interpreted"
        try:
            choice = ensure_core_build(self._progress.note)
        except BuildFailed as error:
            raise StackError(f"the core does not compile: {error}") from error
        if choice.mode != "compiled":
            self._progress.note(f"the engine runs the interpreted core: {choice.reason}")
        return choice.mode

    def _prepare_core(self) -> str:
        mode = self.build_core()
        if os.environ.get("TRADING_CORE") != "interpreted":
            self._stop_outdated_engine(mode == "compiled")
        return f"{mode} core is current"

    def _stop_outdated_engine(self, compiled: bool) -> None:
        """Stop an engine that runs another build of the core; `up` then starts the current one."""
        for shard in range(self.settings.shards):
            report = engine_report(self.settings, shard)
            current = (source_hash(), compiled)
            if not report or (report.get("source_hash"), report.get("compiled")) == current:
                continue
            self._progress.note("the engine runs an older core: it starts again with this one")
            if self.settings.standby:
                self.stop(shard_part("standby", shard))
            self.stop(shard_part("engine", shard))

    def _restore_secrets(self) -> str:
        lost = _lost_calls(self.settings)
        if lost:
            self._progress.note(
                "the emulator was killed; it is back at its last checkpoint. Calls made after that"
                f" may be missing: {lost}. Balances, orders and trades are not affected."
            )
        return secrets.store(self.settings)


def _parts(settings: Settings) -> list[Part]:
    optional = (
        None if settings.database_url else postgres(settings),
        stream(settings),
        None if settings.redis_url else cache(settings),
    )
    return [
        emulator.emulator(settings),
        *(part for part in optional if part is not None),
        *(part for shard in range(settings.shards) for part in _shard_parts(settings, shard)),
        providers(settings),
        consumers(settings),
        feed(settings),
    ]


def _shard_parts(settings: Settings, shard: int) -> list[Part]:
    is_replicated = settings.durability == "replicated"
    has_other_host = settings.standby and settings.standby_placement == "other-host"
    return [
        engine(settings, shard),
        *([replicator(settings, shard)] if is_replicated else []),
        follower(settings, shard),
        *([standby(settings, shard)] if settings.standby else []),
        publisher(settings, shard),
        *(other_host(settings, shard) if has_other_host else []),
    ]


def _runs(part: Part) -> bool:
    record = ProcessRecord.read(part.run_file)
    return record is not None and record.process() is not None


def engine_report(settings: Settings, shard: int = 0) -> dict[str, Any]:
    """Return what a shard's engine's /health says, or nothing when it does not answer."""
    return get_json(settings.engine_health(shard))


def _lost_calls(settings: Settings) -> str:
    """Say what a start of the emulator within the last minute could not restore, if anything."""
    restored = get_json(emulator.health_url(settings))
    lost: dict[str, int] = restored.get("lost", {})
    if not lost or time.time() - float(restored.get("started_at_s", 0)) > 60:
        return ""
    taken_at = restored.get("taken_at_s")
    when = "never" if taken_at is None else time.strftime("%H:%M:%S", time.localtime(taken_at))
    calls = ", ".join(f"{call} ×{count}" for call, count in lost.items())
    return f"{calls} (checkpoint of {when})"


def get_json(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            document = json.loads(answer.read())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
