"""`python -m tests.bench engine|publish|snapshot|restart|wire|overload`; `worker` is `engine`'s."""

import sys

from hotpath import build

if __name__ == "__main__":
    what, *words = sys.argv[1:]
    build.select_core()  # before anything imports the core
    if what == "engine":
        from tests.bench import engine

        sys.exit(engine.main(words))
    if what == "publish":
        from tests.bench import publish

        sys.exit(publish.main(words))
    if what == "snapshot":
        from tests.bench import snapshot

        sys.exit(snapshot.main(words))
    if what == "restart":
        from tests.bench import restart

        sys.exit(restart.main(words))
    if what == "wire":
        from tests.bench import wire

        sys.exit(wire.main(words))
    if what == "overload":
        from tests.bench import overload

        sys.exit(overload.main(words))
    from tests.bench import worker

    sys.exit(worker.main(*words))
