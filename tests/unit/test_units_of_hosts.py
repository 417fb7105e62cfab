"""The units of systemd: what is started together on one host does not end each other."""

from infra.local.settings import CHECKOUT

# What docs/RUNBOOKS/failover.md starts on a standby's host.
_BESIDE_A_STANDBY = ("replicator", "standby", "publisher")
_STARTS_TOO = ("Requires=", "Wants=", "BindsTo=", "Requisite=")


def lines(name: str) -> list[str]:
    file = CHECKOUT / f"infra/ec2/trading-{name}@.service"
    return file.read_text(encoding="utf-8").splitlines()


def test_what_runs_beside_a_standby_starts_no_engine() -> None:
    """A standby and an engine on one host conflict: the one that is started ends the other."""
    assert "Conflicts=trading-engine@%i.service" in lines("standby")
    for name in _BESIDE_A_STANDBY:
        started = [line for line in lines(name) if line.startswith(_STARTS_TOO)]
        assert not [line for line in started if "trading-engine@" in line], name


def test_a_publisher_comes_with_whichever_writes_the_journal() -> None:
    (wanted,) = [line for line in lines("publisher") if line.startswith("WantedBy=")]
    assert {"trading-engine@%i.service", "trading-standby@%i.service"} <= {
        *wanted.removeprefix("WantedBy=").split()
    }
