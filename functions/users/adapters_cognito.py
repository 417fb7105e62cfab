"""The user pool in Amazon Cognito."""

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from functions.users.service import PasswordRefused
from shared.edge.settings import aws_client
from shared.ports.failures import InfrastructureUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp import CognitoIdentityProviderClient


class IdentityPoolUnavailable(InfrastructureUnavailable):
    """Cognito did not answer or throttles."""


class CognitoPool:
    """Sign-up and look-up. Signing in is Cognito's own API, which clients call themselves.

    `confirm_at_once` is for stacks without mail: elsewhere users confirm their address with the
    code that Cognito sends.
    """

    def __init__(
        self,
        client: "CognitoIdentityProviderClient",
        *,
        pool_id: str,
        client_id: str,
        confirm_at_once: bool,
    ) -> None:
        self._client = client
        self._pool_id = pool_id
        self._client_id = client_id
        self._confirm_at_once = confirm_at_once

    @classmethod
    def connect(cls, *, pool_id: str, client_id: str, confirm_at_once: bool) -> "CognitoPool":
        """Return the pool behind a client with this environment's credentials."""
        client: CognitoIdentityProviderClient = aws_client("cognito-idp")
        return cls(client, pool_id=pool_id, client_id=client_id, confirm_at_once=confirm_at_once)

    def sign_up(self, email: str, password: str) -> str | None:
        """Return the new user's subject, or None for a known address; raise PasswordRefused."""
        errors = self._client.exceptions
        try:
            subject = self._client.sign_up(
                ClientId=self._client_id,
                Username=email,
                Password=password,
                UserAttributes=[{"Name": "email", "Value": email}],
            )["UserSub"]
            if self._confirm_at_once:
                self._client.admin_confirm_sign_up(UserPoolId=self._pool_id, Username=email)
            return subject
        except errors.UsernameExistsException:
            return None
        except (errors.InvalidPasswordException, errors.InvalidParameterException) as error:
            raise PasswordRefused from error
        except (BotoCoreError, ClientError) as error:
            raise IdentityPoolUnavailable(type(error).__name__) from error

    def subject_of(self, email: str) -> str | None:
        """Return the subject of an address, confirming it if that was missed."""
        try:
            user = self._client.admin_get_user(UserPoolId=self._pool_id, Username=email)
            if self._confirm_at_once and user["UserStatus"] == "UNCONFIRMED":
                self._client.admin_confirm_sign_up(UserPoolId=self._pool_id, Username=email)
        except self._client.exceptions.UserNotFoundException:
            return None
        except (BotoCoreError, ClientError) as error:
            raise IdentityPoolUnavailable(type(error).__name__) from error
        attributes = {item["Name"]: item.get("Value", "") for item in user["UserAttributes"]}
        return attributes["sub"]
