#!/bin/sh
# Finds a Python that can run the platform and hands over to bootstrap.py, which fills .venv.
# PYTHON=/path/to/python chooses another one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=$(dirname "$here")/.venv

runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
complete() {
    "$1" -c 'import ensurepip, sysconfig, venv, os, sys
sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    runs "$PYTHON" || { echo "PYTHON=$PYTHON is not a Python >= 3.11" >&2; exit 1; }
    exec "$PYTHON" "$here/bootstrap.py" "$@"
fi
if runs "$venv/bin/python"; then
    exec "$venv/bin/python" "$here/bootstrap.py" "$@"
fi

# Newest first, but those for which every part has a wheel before those that compile some.
# One that lacks venv or headers is taken only if no other is there; bootstrap.py then says what.
fallback=
for name in python3.12 python3.11 python3.14 python3.13 python3; do
    runs "$name" || continue
    if complete "$name"; then exec "$name" "$here/bootstrap.py" "$@"; fi
    fallback=${fallback:-$name}
done
if [ -n "$fallback" ]; then exec "$fallback" "$here/bootstrap.py" "$@"; fi

found=$(python3 --version 2>&1) || found="no python3"
echo "The platform needs Python 3.11 or newer; found: $found." >&2
echo "On Debian or Ubuntu: apt-get install python3 python3-venv python3-dev gcc make" >&2
echo "An older system has it as python3.12 or python3.11; PYTHON=/path/to/python names one." >&2
exit 1
