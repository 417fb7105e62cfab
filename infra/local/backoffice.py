"""The back office's API as an operator of the local stack calls it."""

from typing import Any, Self

import httpx

from infra.local import aws, deploy
from infra.local.errors import StackError
from infra.local.settings import Settings

STAGE = "admin"


class BackofficeClient:
    """Holds the API key of the stack's one operator."""

    def __init__(self, settings: Settings) -> None:
        outputs = deploy.require(settings).outputs
        key = aws.api_gateway(settings).get_api_key(
            apiKey=outputs["BackofficeKeyId"], includeValue=True
        )
        self._http = httpx.Client(
            base_url=aws.api_url(settings, outputs["BackofficeApiId"], STAGE),
            headers={"x-api-key": key["value"]},
            timeout=30.0,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def account(self, account_id: int) -> dict[str, Any]:
        return self.call("GET", f"/accounts/{account_id}")

    def halt(self, symbol: str, operator: str, reason: str) -> dict[str, Any]:
        body = {"operator": operator, "reason": reason}
        return self.call("POST", f"/instruments/{symbol}/halt", body)

    def resume(self, symbol: str, operator: str, reason: str) -> dict[str, Any]:
        body = {"operator": operator, "reason": reason}
        return self.call("POST", f"/instruments/{symbol}/resume", body)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request; raise StackError with what the back office says when it refuses."""
        response = self._http.request(method, path, json=body)
        if response.is_error:
            raise StackError(f"back office {method} {path}: {response.status_code} {response.text}")
        answer: dict[str, Any] = response.json()
        return answer
