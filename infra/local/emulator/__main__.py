"""Serves the emulator: `python -m infra.local.emulator`, configured by EMULATOR_* variables."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from infra.local.emulator.checkpoint import Checkpoints
from infra.local.emulator.gateway import Gateway

CHECKPOINT_INTERVAL_S: Final = 5.0
# Of the emulator's own environment, functions get these; the template gives them the rest.
_WORKER_VARIABLES: Final = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ", "TMPDIR")

logger = logging.getLogger("infra.local.emulator")


def main() -> None:
    """Serve until SIGTERM or SIGINT, then take a last checkpoint."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    port, folder = int(os.environ["EMULATOR_PORT"]), Path(os.environ["EMULATOR_FOLDER"])
    os.environ.update(emulator_environment(port, folder))
    asyncio.run(_serve(port, folder))


def emulator_environment(port: int, folder: Path) -> dict[str, str]:
    """Return what ministack reads from its environment when it is imported."""
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "LAMBDA_EXECUTOR": "local",
        "DOCKER_HOST": "unix:///nonexistent.sock",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # As on AWS: no token is issued when the trigger that puts the account into it fails.
        "MINISTACK_COGNITO_PRETOKEN_STRICT": "1",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(folder / "s3"),
    }


def worker_environment(environment: Mapping[str, str], port: int) -> dict[str, str]:
    """Return what a function's process starts with, beside the variables of the template."""
    passed_on = {name: environment[name] for name in _WORKER_VARIABLES if name in environment}
    return passed_on | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_SDK_ENABLED": "false",
        "HOME": "/tmp",
    }


async def _serve(port: int, folder: Path) -> None:
    temporary = folder / "tmp"  # workers unpack their code here; a kill leaves it behind
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = str(temporary)

    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack import app as ministack
    from ministack.core import lambda_runtime, persistence

    from infra.local.emulator import patches

    patches.apply_all(worker_environment(os.environ, port))
    checkpoints = Checkpoints(folder / "checkpoints", _encode)
    restored = checkpoints.recover()
    _restore_from(persistence, checkpoints.current)

    def take_checkpoint() -> None:
        checkpoints.take(ministack._build_persistence_save_dict())

    ministack.save_all = lambda _services: take_checkpoint()  # at an orderly stop
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    timer = asyncio.create_task(_take_regularly(checkpoints, take_checkpoint))
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 3
    config.loglevel = "WARNING"
    gateway: Any = Gateway(ministack.app, checkpoints, restored, take_checkpoint)
    try:
        await serve(gateway, config, shutdown_trigger=stopping.wait)
    finally:
        timer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await timer
        lambda_runtime.reset()
        shutil.rmtree(temporary, ignore_errors=True)


def _encode(service: str, state: Any) -> str:
    """Return a service's state in the format that ministack loads."""
    from ministack.core import persistence

    document = {
        "__ministack_format__": persistence._state_format_version(service),
        "payload": state,
    }
    return json.dumps(document, default=persistence._json_default)


def _restore_from(persistence: Any, checkpoint: Path) -> None:
    """Let ministack load its services from the checkpoint; keys and code stay in STATE_DIR.

    Code that no function refers to any more stays until the next start: the previous checkpoint
    may need it.
    """
    from ministack.services import lambda_svc

    persistence.STATE_DIR = str(checkpoint)
    lambda_svc._prune_orphan_code_blobs = lambda _referenced: None
    _remove_unused_code(Path(lambda_svc.CODE_BLOB_DIR), checkpoint.parent)


def _remove_unused_code(blobs: Path, checkpoints: Path) -> None:
    """Remove archives of functions that no checkpoint names."""
    named = "".join(file.read_text(encoding="utf-8") for file in checkpoints.glob("*/lambda.json"))
    for blob in blobs.glob("*.zip"):
        if blob.stem not in named:
            blob.unlink()


async def _take_regularly(checkpoints: Checkpoints, take_checkpoint: Any) -> None:
    while True:
        await asyncio.sleep(CHECKPOINT_INTERVAL_S)
        if checkpoints.changed:
            try:
                await asyncio.to_thread(take_checkpoint)
            except (OSError, RuntimeError):
                logger.exception("checkpoint failed; the one before it stays")


if __name__ == "__main__":
    main()
