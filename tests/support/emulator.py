"""A running AWS emulator for integration tests, and functions made of a few lines of code.

from tests.support.emulator import emulator
"""

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local import aws, runner, settings
from infra.local.part import Part
from infra.local.parts.emulator import emulator as emulator_part
from infra.local.progress import Progress
from infra.local.settings import Settings

ROLE = "arn:aws:iam::000000000000:role/any"


@dataclass(frozen=True)
class Emulator:
    """An emulator of its own. Tests may kill and restart it; they leave it running."""

    settings: Settings
    part: Part

    def start(self) -> None:
        runner.start(self.part)

    def kill(self) -> None:
        runner.kill_part(self.part)

    def stop(self) -> None:
        runner.stop_part(self.part)

    def make_function(self, name: str, code: str, variables: dict[str, str] | None = None) -> str:
        """Create a function whose handler is `app.handler` of the code; return its ARN."""
        answer = aws.functions(self.settings).create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.11",
            Handler="app.handler",
            Code={"ZipFile": archive({"app.py": code})},
            Environment={"Variables": variables or {}},
        )
        return answer["FunctionArn"]

    def invoke(self, name: str, event: Any = None) -> Any:
        """Return the function's parsed answer, or the error document when it raised."""
        answer = aws.functions(self.settings).invoke(
            FunctionName=name, Payload=json.dumps(event or {}).encode()
        )
        return json.loads(answer["Payload"].read())


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with settings.temporary({}) as stack:
        part = emulator_part(stack)
        runner.start(part)
        yield Emulator(stack, part)
        runner.stop_all([part], Progress(quiet=True))
