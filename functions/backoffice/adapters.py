"""The settlement service as the back office asks it: by invoking its task function."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3

from shared.edge.settings import aws_config, setting
from shared.edge.tracing import current_traceparent
from shared.ports.failures import InfrastructureUnavailable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class SettlementUnavailable(InfrastructureUnavailable):
    """The settlement function failed, or could not be reached."""


class SettlementService:
    """The ledger, batches and amended trades, which are in settlement's database."""

    def ledger_balances(self, account_id: int) -> list[dict[str, Any]]:
        """Return the account's posted balances: asset, purpose and integer amount each."""
        return list(self._ask({"action": "balances", "account_id": account_id})["balances"])

    def batch(self, batch_id: str) -> dict[str, Any] | None:
        """Return a batch's summary; None when there is none of that date."""
        found: dict[str, Any] | None = self._ask({"action": "batch", "batch_id": batch_id})["batch"]
        return found

    def ask_amendment(
        self, amendment_id: int, trade_id: int, corrected: dict[str, int] | None
    ) -> dict[str, Any]:
        """Take a trade out of settlement to bust it (None) or correct it; return its terms."""
        asked = {"amendment_id": amendment_id, "trade_id": trade_id, "corrected": corrected}
        return self._ask({"action": "ask_amendment", **asked})

    def conclude_amendment(self, amendment_id: int, trade_id: int, applied: bool) -> None:
        """Tell what the engine said: settlement applies the amendment, or withdraws it."""
        told = {"amendment_id": amendment_id, "trade_id": trade_id, "applied": applied}
        self._ask({"action": "conclude_amendment", **told})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        payload = json.dumps({**request, "traceparent": current_traceparent()}).encode()
        answer = _functions().invoke(
            FunctionName=setting("SETTLEMENT_TASK_FUNCTION"), Payload=payload
        )
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise SettlementUnavailable(str(body.get("errorType", "")))
        return body


@cache
def _functions() -> "LambdaClient":
    return boto3.client("lambda", config=aws_config())
