"""Runs a Step Functions definition (JSONPath) in this process, as far as ours use the language.

Tasks are Python callables by their resource. Retries are left out: a task that raises ends the run,
as a function does whose retries are used up.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Task = Callable[[dict[str, Any]], Any]


class StateMachine:
    """A definition with its substitutions, e.g. {"SettlementTaskArn": function}."""

    def __init__(self, definition: Path, tasks: Mapping[str, Task]) -> None:
        self._definition = json.loads(definition.read_text(encoding="utf-8"))
        self._tasks = {f"${{{name}}}": task for name, task in tasks.items()}

    def run(self, given: Any) -> Any:
        """Return the output of an execution with this input."""
        return self._run(self._definition, given)

    def _run(self, machine: Mapping[str, Any], given: Any) -> Any:
        name = machine["StartAt"]
        while True:
            state = machine["States"][name]
            if state["Type"] == "Succeed":
                return given
            if state["Type"] == "Choice":
                name = _choose(state, given)
                continue
            given = _placed(given, state, self._result(state, given))
            if state.get("End"):
                return given
            name = state["Next"]

    def _result(self, state: Mapping[str, Any], given: Any) -> Any:
        """Return what a Task, Map or Pass state gives, as JSON would carry it."""
        if state["Type"] == "Map":
            items = _value(state["ItemsPath"], given)
            return [self._run(state["ItemProcessor"], item) for item in items]
        parameters = _parameters(state["Parameters"], given)
        if state["Type"] == "Pass":
            return parameters
        assert state["Type"] == "Task", state
        return json.loads(json.dumps(self._tasks[state["Resource"]](parameters)))


def _choose(state: Mapping[str, Any], given: Any) -> str:
    for rule in state["Choices"]:
        if _holds(rule, given):
            return str(rule["Next"])
    return str(state["Default"])


def _holds(rule: Mapping[str, Any], given: Any) -> bool:
    if "And" in rule:
        return all(_holds(part, given) for part in rule["And"])
    if "Not" in rule:
        return not _holds(rule["Not"], given)
    (comparison,) = rule.keys() - {"Variable", "Next"}
    assert comparison in ("StringEquals", "NumericEquals", "BooleanEquals"), rule
    return bool(_value(rule["Variable"], given) == rule[comparison])


def _parameters(template: Mapping[str, Any], given: Any) -> dict[str, Any]:
    return {
        name.removesuffix(".$"): _value(value, given) if name.endswith(".$") else value
        for name, value in template.items()
    }


def _value(path: str, given: Any) -> Any:
    """Return what a path of plain member names leads to."""
    start, *names = path.split(".")
    assert start == "$", path
    for name in names:
        given = given[name]
    return given


def _placed(given: Any, state: Mapping[str, Any], result: Any) -> Any:
    """Put the result where ResultPath says: over the input, nowhere (null), or at a member."""
    path = state.get("ResultPath", "$")
    if path is None:
        return given
    if path == "$":
        return result
    return {**given, path.removeprefix("$."): result}
