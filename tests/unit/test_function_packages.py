"""Packages of functions: complete, alone, and the same bytes for the same sources."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.local import packaging
from infra.local.errors import StackError
from infra.local.settings import CHECKOUT

HANDLERS = sorted(
    resource["Properties"]["Handler"]
    for resource in packaging.read_template()["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
    and not str(resource["Properties"].get("CodeUri", "")).startswith("s3://")
)
SERVICES = sorted({handler.split(".")[1] for handler in HANDLERS})

# An editable install puts the checkout on the path of this interpreter; a function must not see it.
IMPORT_ALONE = """
import importlib, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
sys.path[:0] = sys.argv[1:3]
for handler in sys.argv[3:]:
    module, _, name = handler.rpartition(".")
    found = importlib.import_module(module)
    assert callable(getattr(found, name)), handler
    assert found.__file__.startswith(sys.argv[2]), found.__file__
import shared
assert shared.__file__.startswith(sys.argv[1]), shared.__file__
"""


def unpack(archive: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
        bundle.extractall(folder)
    return folder


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_is_complete_with_its_layer_and_sees_no_other_function(
    service: str, tmp_path: Path
) -> None:
    handlers = [handler for handler in HANDLERS if handler.split(".")[1] == service]
    code = unpack(packaging.function_archive(CHECKOUT, handlers[0]), tmp_path / "code")
    layer = unpack(packaging.layer_archive(CHECKOUT), tmp_path / "layer") / "python"
    assert sorted(entry.name for entry in (code / "functions").iterdir() if entry.is_dir()) == (
        sorted({"__pycache__", service})
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_ALONE, str(layer), str(code), *handlers],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "POWERTOOLS_SERVICE_NAME": service,
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_same_sources_give_the_same_bytes() -> None:
    assert packaging.layer_archive(CHECKOUT) == packaging.layer_archive(CHECKOUT)


def test_a_changed_line_changes_the_digest(tmp_path: Path) -> None:
    app = tmp_path / "functions" / "x" / "app.py"
    app.parent.mkdir(parents=True)
    (tmp_path / "functions" / "__init__.py").write_text("")
    template = {
        "Resources": {
            "F": {
                "Type": "AWS::Serverless::Function",
                "Properties": {"Handler": "functions.x.app.handler"},
            }
        }
    }
    app.write_text("def handler(event, context): return 1")
    before = packaging.package(template, tmp_path)
    app.write_text("def handler(event, context): return 2")
    after = packaging.package(template, tmp_path)
    assert before.digest != after.digest
    assert before.functions == ("F",)


def test_a_handler_of_no_service_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"functions\.nobody\.app\.handler"):
        packaging.function_archive(tmp_path, "functions.nobody.app.handler")


def test_fragments_add_resources_and_may_not_redefine_one() -> None:
    base = {"Resources": {"A": 1}, "Outputs": {"X": 1}}
    merged = packaging.merge(base, [{"Resources": {"B": 2}, "Outputs": {"Y": 2}}])
    assert merged == {"Resources": {"A": 1, "B": 2}, "Outputs": {"X": 1, "Y": 2}}
    with pytest.raises(StackError, match="Resources twice"):
        packaging.merge(base, [{"Resources": {"A": 3}}])
