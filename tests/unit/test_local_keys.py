"""The stack's own secrets: made once, whoever asks first."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from infra.local import keys, settings

ROLES = [f"role_{number}" for number in range(20)]


def test_all_who_ask_at_once_for_new_passwords_get_the_same() -> None:
    start = Barrier(8)
    with settings.temporary() as own, ThreadPoolExecutor(8) as pool:

        def ask() -> dict[str, str]:
            start.wait(timeout=60)
            return keys.passwords(own, ROLES)

        file = own.keys / "postgres.json"
        for _ in range(50):
            file.unlink(missing_ok=True)
            answers = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
            stored = json.loads(file.read_text(encoding="utf-8"))
            assert stored.keys() == set(ROLES)
            assert all(answer == stored for answer in answers)


def test_a_new_role_gets_a_password_and_the_old_ones_keep_theirs() -> None:
    with settings.temporary() as own:
        before = keys.passwords(own, ROLES[:3])
        after = keys.passwords(own, ROLES)
        assert {role: after[role] for role in before} == before
        assert len(set(after.values())) == len(ROLES)
