"""A client that has seen an engine never goes back to one that was there before it."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.domain import records as r
from shared.hotpath_client import AsyncEngineClient, SyncMemberClient
from shared.ports.engine import EngineUnavailable
from shared.wire.tokens import SCOPES
from tests.support.engine import EngineProcess, kinds, limit_order, market
from tests.support.standby import engine_address

ACCOUNT = 1


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine in its third epoch; the folder `old` holds the journal as it was in the first."""
    with engine_address() as address:
        found = EngineProcess(tmp_path, ENGINE_LISTEN=address)
        try:
            found.start()
            with found.client() as client:
                client.submit_many(market(accounts=1))
            found.kill()
            shutil.copytree(found.journal, tmp_path / "old")
            found.start()
            found.kill()
            yield found.start()
        finally:
            found.close()


def bring_back_the_old_one(engine: EngineProcess) -> None:
    engine.kill()
    shutil.rmtree(engine.journal)
    (engine.folder / "old").rename(engine.journal)
    engine.start()


def test_a_service_client_does_not_talk_to_an_older_engine(engine: EngineProcess) -> None:
    with engine.client() as client:
        assert client.status().epoch == 3
        bring_back_the_old_one(engine)
        with pytest.raises(EngineUnavailable, match="epoch 3 has replaced it"):
            client.submit(limit_order(ACCOUNT, 1, r.BUY, 50, 1))
        engine.kill()
        engine.start()  # epoch 3: as new as the one that it knows
        assert kinds(client.submit(limit_order(ACCOUNT, 1, r.BUY, 50, 1)))[0] == r.ORDER_ACCEPTED


async def failure(client: AsyncEngineClient) -> str:
    with pytest.raises(EngineUnavailable) as raised:
        await client.status()
    return str(raised.value)


def test_an_asyncio_client_does_not_talk_to_an_older_engine(engine: EngineProcess) -> None:
    async def scenario() -> None:
        client = AsyncEngineClient(engine.address, lambda: engine.issuer.service(SCOPES))
        try:
            assert (await client.status()).epoch == 3
            await asyncio.to_thread(bring_back_the_old_one, engine)
            errors = [await failure(client) for _ in range(2)]  # the first: the session ended
            assert "epoch 3 has replaced it" in errors[-1]
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_a_members_client_waits_for_an_engine_that_is_no_older(engine: EngineProcess) -> None:
    tokens = engine.issuer
    with SyncMemberClient(engine.address, lambda: tokens.member(ACCOUNT), 1500) as client:
        assert kinds(client.submit(limit_order(ACCOUNT, 1, r.BUY, 50, 1)))[0] == r.ORDER_ACCEPTED
        bring_back_the_old_one(engine)
        with pytest.raises(EngineUnavailable):
            client.submit(limit_order(ACCOUNT, 2, r.BUY, 50, 1))
        assert client.connections == 1
