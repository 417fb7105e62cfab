"""What lives only in the emulator is there after a stop, and after a kill as checkpointed."""

import time

import httpx
import psutil

from infra.local import aws, deploy
from infra.local.parts.emulator import health_url
from infra.local.process import ProcessRecord
from tests.support.emulator import Emulator, emulator  # noqa: F401

# ruff: noqa: F811

PASSWORD = "Correct-Horse-1"


def make_login(emulator: Emulator, name: str) -> tuple[str, str]:
    """Create a pool with a confirmed user; return the ids of pool and client."""
    client = aws.cognito(emulator.settings)
    pool_id = client.create_user_pool(PoolName=name)["UserPool"]["Id"]
    client_id = client.create_user_pool_client(
        UserPoolId=pool_id, ClientName="any", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    client.admin_create_user(UserPoolId=pool_id, Username="alice", MessageAction="SUPPRESS")
    client.admin_set_user_password(
        UserPoolId=pool_id, Username="alice", Password=PASSWORD, Permanent=True
    )
    return pool_id, client_id


def log_in(emulator: Emulator, client_id: str) -> str:
    answer = aws.cognito(emulator.settings).initiate_auth(
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "alice", "PASSWORD": PASSWORD},
    )
    return answer["AuthenticationResult"]["AccessToken"]


def restored(emulator: Emulator) -> dict[str, object]:
    return httpx.get(health_url(emulator.settings)).json()


def test_logins_objects_secrets_and_functions_are_there_after_a_kill(emulator: Emulator) -> None:
    pool_id, client_id = make_login(emulator, "kept")
    s3 = aws.s3(emulator.settings)
    s3.create_bucket(Bucket="reports")
    s3.put_object(Bucket="reports", Key="daily.csv", Body=b"a,b\n")
    secrets_manager = aws.secrets_manager(emulator.settings)
    secrets_manager.create_secret(Name="kept", SecretString="value")
    emulator.make_function("kept", "def handler(event, context): return 'kept'")
    deploy.checkpoint(emulator.settings)
    emulator.kill()
    emulator.start()
    assert restored(emulator)["lost"] == {}
    assert log_in(emulator, client_id)
    assert aws.cognito(emulator.settings).describe_user_pool(UserPoolId=pool_id)
    assert s3.get_object(Bucket="reports", Key="daily.csv")["Body"].read() == b"a,b\n"
    assert secrets_manager.get_secret_value(SecretId="kept")["SecretString"] == "value"
    assert emulator.invoke("kept") == "kept"


def test_a_kill_loses_what_came_after_the_checkpoint_and_says_so(emulator: Emulator) -> None:
    deploy.checkpoint(emulator.settings)
    aws.secrets_manager(emulator.settings).create_secret(Name="late", SecretString="value")
    emulator.kill()
    emulator.start()
    report = restored(emulator)
    assert report["lost"] == {"secretsmanager CreateSecret": 1}
    assert isinstance(report["taken_at_s"], float)


def test_changes_reach_a_checkpoint_by_themselves(emulator: Emulator) -> None:
    aws.secrets_manager(emulator.settings).create_secret(Name="in-time", SecretString="value")
    since = emulator.settings.emulator / "checkpoints" / "since-checkpoint.log"
    deadline = time.monotonic() + 20
    while since.read_text() and time.monotonic() < deadline:
        time.sleep(0.1)
    emulator.kill()
    emulator.start()
    found = aws.secrets_manager(emulator.settings).get_secret_value(SecretId="in-time")
    assert found["SecretString"] == "value"


def test_an_orderly_stop_loses_nothing_and_leaves_no_worker(emulator: Emulator) -> None:
    emulator.make_function("works", "import os\ndef handler(event, context): return os.getpid()")
    worker = psutil.Process(emulator.invoke("works"))
    record = ProcessRecord.read(emulator.part.run_file)
    aws.secrets_manager(emulator.settings).create_secret(Name="last", SecretString="value")
    emulator.stop()
    assert record is not None
    assert record.process() is None
    assert not worker.is_running()
    emulator.start()
    assert restored(emulator)["lost"] == {}
    found = aws.secrets_manager(emulator.settings).get_secret_value(SecretId="last")
    assert found["SecretString"] == "value"


def test_tokens_signed_before_a_restart_verify_after_it(emulator: Emulator) -> None:
    pool_id, _ = make_login(emulator, "keys")
    keys = f"{emulator.settings.aws_endpoint}/{pool_id}/.well-known/jwks.json"
    before = httpx.get(keys).json()
    deploy.checkpoint(emulator.settings)
    emulator.kill()
    emulator.start()
    assert before["keys"]
    assert httpx.get(keys).json() == before
