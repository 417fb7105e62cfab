"""`python -m tests.bench engine …` measures; `worker …` is one round, which `engine` starts."""

import sys

from hotpath import build

if __name__ == "__main__":
    what, *words = sys.argv[1:]
    build.select_core()  # before anything imports the core
    if what == "engine":
        from tests.bench import engine

        sys.exit(engine.main(words))
    from tests.bench import worker

    sys.exit(worker.main(*words))
