"""`make lock`: writes the lock files from pyproject.toml, with hashes, without index addresses.

`local.lock` is what one machine needs (base, local and dev), `all.lock` adds what stacks/ needs,
and `base.lock` is what a production host or a function needs. A package has one version in all.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ROOT / "infra/locks"
OLDEST_PYTHON = "3.11"
INSTALLERS = ("setuptools", "uv")  # needed before the rest can be installed
COMMENT = "# Written by `make lock` from pyproject.toml. For all platforms and Python >= 3.11.\n"
ASKED_FOR = "# asked for: "  # followed by the digest of what pyproject.toml asked for


def requirements_digest() -> str:
    """Return a digest of all that pyproject.toml asks for, so that an old lock can be noticed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [project["requires-python"], project["dependencies"], project["optional-dependencies"]]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def main() -> None:
    """Write every lock file; versions already locked stay unless pyproject.toml forbids them."""
    write("all.lock", ["--all-extras"])
    constrained = ["--constraint", str(LOCKS / "all.lock")]
    write("local.lock", ["--extra", "local", "--extra", "dev", *constrained])
    write("base.lock", constrained)
    write_installer_lock()


def write(name: str, arguments: list[str], source: str = "pyproject.toml", stdin: str = "") -> None:
    """Resolve for every platform and write one lock file."""
    output = LOCKS / name
    command = [
        str(Path(sys.prefix) / "bin/uv"), "pip", "compile", "--quiet", "--universal",
        "--generate-hashes", "--python-version", OLDEST_PYTHON, "--no-header", "--no-annotate",
        "--no-emit-index-url", "--no-emit-find-links", *arguments, source, "-o", str(output),
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, input=stdin, text=True, stdout=subprocess.DEVNULL)
    head = f"{COMMENT}{ASKED_FOR}{requirements_digest()}\n"
    output.write_text(head + output.read_text(encoding="utf-8"), encoding="utf-8")


def write_installer_lock() -> None:
    """Lock the tools that install, at the versions that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dev = project["optional-dependencies"]["dev"]
    pins = [pin for pin in dev if pin.split("==")[0] in INSTALLERS]
    write("installer.lock", ["--constraint", str(LOCKS / "all.lock")], "-", "\n".join(pins))


if __name__ == "__main__":
    main()
