"""Turns the checkout into what CloudFormation takes: a template, and archives named by content."""

import hashlib
import importlib.util
import io
import json
import py_compile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from samtranslator.yaml_helper import yaml_parse

from infra.local.errors import StackError
from infra.local.settings import CHECKOUT

TEMPLATE: Final = CHECKOUT / "template.yaml"
BUCKET: Final = "local-artifacts"
_ARCHIVE_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same content


@dataclass(frozen=True, slots=True)
class Package:
    """A template whose code lies in S3 under the keys of `archives`."""

    template: dict[str, Any]
    archives: Mapping[str, bytes]
    functions: tuple[str, ...]  # logical ids
    digest: str = field(default="")


def package(template: Mapping[str, Any], root: Path = CHECKOUT) -> Package:
    """Package a parsed SAM template.

    Each function gets `functions/__init__.py` and its own service's folder, the layer `shared/` and
    the reference data. Third-party packages are not packed: functions find them where this
    interpreter does, and start four times faster for it.
    """
    archives: dict[str, bytes] = {}
    functions = []
    resources = {name: dict(resource) for name, resource in template["Resources"].items()}
    for name, resource in resources.items():
        properties = resource["Properties"] = dict(resource.get("Properties", {}))
        if resource["Type"] == "AWS::Serverless::Function":
            functions.append(name)
            if not str(properties.get("CodeUri", "")).startswith("s3://"):
                properties["CodeUri"] = _put(
                    archives, function_archive(root, properties["Handler"])
                )
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = _put(archives, layer_archive(root))
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            file = root / properties.pop("DefinitionUri")
            properties["Definition"] = json.loads(file.read_text(encoding="utf-8"))
    packaged = {**template, "Resources": resources}
    digest = hashlib.sha256(json.dumps(packaged, sort_keys=True, default=str).encode()).hexdigest()
    return Package(packaged, archives, tuple(functions), digest)


def read_template(file: Path = TEMPLATE) -> dict[str, Any]:
    """Return a parsed template, short intrinsic functions (!Ref) in their long form."""
    template: dict[str, Any] = yaml_parse(file.read_text(encoding="utf-8"))
    return template


def merge(template: Mapping[str, Any], fragments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the template with the parameters, resources and outputs of the fragments added.

    Raises StackError when a name is there twice.
    """
    merged = dict(template)
    for fragment in fragments:
        for section in ("Parameters", "Conditions", "Resources", "Outputs"):
            both = {**merged.get(section, {}), **fragment.get(section, {})}
            if len(both) < len(merged.get(section, {})) + len(fragment.get(section, {})):
                raise StackError(f"template fragments define a name of {section} twice")
            if both:
                merged[section] = both
    return merged


def function_archive(root: Path, handler: str) -> bytes:
    """Return the archive of the function that `functions.<service>.app.<name>` belongs to."""
    service = handler.split(".")[1]
    folder = root / "functions" / service
    if not handler.startswith("functions.") or not folder.is_dir():
        raise StackError(f"template.yaml: handler {handler} names no folder of functions/")
    return _archive(root, [root / "functions" / "__init__.py", *_files(folder)])


def layer_archive(root: Path) -> bytes:
    """Return the archive of the layer that all functions share."""
    files = [
        *_files(root / "shared"),
        *_files(root / "infra" / "reference"),
    ]
    return _archive(root, files, prefix="python/")


def _files(folder: Path) -> list[Path]:
    return [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]


def _archive(root: Path, files: Iterable[Path], prefix: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            name = prefix + file.relative_to(root).as_posix()
            _add(archive, name, file.read_bytes())
            if file.suffix == ".py":
                _add(archive, *_compiled(file, name))
    return buffer.getvalue()


def _compiled(file: Path, name: str) -> tuple[str, bytes]:
    """Return a module's bytecode, good wherever it is unpacked: saves it at each cold start."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "module.pyc"
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(file), str(target), dfile=name, doraise=True, invalidation_mode=mode)
        return importlib.util.cache_from_source(name), target.read_bytes()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _ARCHIVE_TIME)
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)


def _put(archives: dict[str, bytes], content: bytes) -> str:
    key = hashlib.sha256(content).hexdigest() + ".zip"
    archives[key] = content
    return f"s3://{BUCKET}/{key}"
