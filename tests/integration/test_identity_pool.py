"""The Cognito adapter against the emulator's user pool."""

import uuid
from typing import TYPE_CHECKING, Final

import pytest

from functions.users.adapters_cognito import CognitoPool, IdentityPoolUnavailable
from functions.users.service import PasswordRefused
from infra.local import aws
from tests.support.emulator import Emulator, emulator

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient
    from mypy_boto3_cognito_idp.type_defs import PasswordPolicyTypeTypeDef

__all__ = ["emulator"]

PASSWORD = "Correct-Horse-7"
AUTH_FLOWS: Final = ("ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")


class Pool:
    """A user pool with the template's policy, and a client of it."""

    def __init__(self, client: "CognitoIdentityProviderClient") -> None:
        self.client = client
        policy: PasswordPolicyTypeTypeDef = {
            "MinimumLength": 12,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
        }
        pool = client.create_user_pool(
            PoolName="p", UsernameAttributes=["email"], Policies={"PasswordPolicy": policy}
        )
        self.pool_id = pool["UserPool"]["Id"]
        made = client.create_user_pool_client(
            UserPoolId=self.pool_id,
            ClientName="c",
            ExplicitAuthFlows=AUTH_FLOWS,
            PreventUserExistenceErrors="ENABLED",
        )
        self.client_id = made["UserPoolClient"]["ClientId"]

    def adapter(self, *, confirm_at_once: bool = True) -> CognitoPool:
        return CognitoPool(
            self.client,
            pool_id=self.pool_id,
            client_id=self.client_id,
            confirm_at_once=confirm_at_once,
        )

    def log_in(self, email: str, password: str = PASSWORD) -> str:
        answer = self.client.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        return answer["AuthenticationResult"]["AccessToken"]


@pytest.fixture(scope="module")
def pool(emulator: Emulator) -> Pool:
    return Pool(aws.cognito(emulator.settings))


@pytest.fixture
def email() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def test_who_signed_up_can_log_in_at_once(pool: Pool, email: str) -> None:
    subject = pool.adapter().sign_up(email, PASSWORD)
    token = pool.log_in(email)
    attributes = pool.client.get_user(AccessToken=token)["UserAttributes"]
    assert {"Name": "sub", "Value": subject} in attributes


def test_elsewhere_the_address_must_be_confirmed_first(pool: Pool, email: str) -> None:
    pool.adapter(confirm_at_once=False).sign_up(email, PASSWORD)
    with pytest.raises(pool.client.exceptions.UserNotConfirmedException):
        pool.log_in(email)


def test_a_known_address_is_not_signed_up_again(pool: Pool, email: str) -> None:
    pool.adapter().sign_up(email, PASSWORD)
    assert pool.adapter().sign_up(email, "Another-Pass-99") is None
    assert pool.log_in(email)


def test_the_pools_policy_refuses_a_weak_password(pool: Pool, email: str) -> None:
    with pytest.raises(PasswordRefused):
        pool.adapter().sign_up(email, "weak")
    assert pool.adapter().subject_of(email) is None


def test_a_subject_is_found_by_its_address_and_confirmed_if_that_was_missed(
    pool: Pool, email: str
) -> None:
    subject = pool.adapter(confirm_at_once=False).sign_up(email, PASSWORD)
    assert pool.adapter().subject_of(email) == subject
    assert pool.log_in(email)
    assert pool.adapter().subject_of(f"no-{email}") is None


def test_known_and_unknown_users_answer_alike_at_login(pool: Pool, email: str) -> None:
    pool.adapter().sign_up(email, PASSWORD)
    refusals = []
    for name in (email, f"no-{email}"):
        with pytest.raises(pool.client.exceptions.NotAuthorizedException) as refused:
            pool.log_in(name, "Wrong-Password-1")
        refusals.append(refused.value.response["Error"])
    assert refusals[0] == refusals[1]


def test_a_pool_that_does_not_answer_is_said_to_be_unavailable(email: str) -> None:
    import boto3
    from botocore.config import Config

    nowhere = boto3.client(
        "cognito-idp",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    adapter = CognitoPool(nowhere, pool_id="p", client_id="c", confirm_at_once=True)
    with pytest.raises(IdentityPoolUnavailable):
        adapter.sign_up(email, PASSWORD)
