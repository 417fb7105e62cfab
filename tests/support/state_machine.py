"""Runs a Step Functions definition (JSONata) in this process: Task, Choice, Map, Succeed.

Tasks are Python callables by their resource. Retries are left out: a task that raises ends the run,
as a function does whose retries are used up.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonata

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
            given, following = self._step(state, given)
            if following is None:
                return given
            name = following

    def _step(self, state: Mapping[str, Any], given: Any) -> tuple[Any, str | None]:
        kind = state["Type"]
        if kind == "Succeed":
            return given, None
        if kind == "Choice":
            for choice in state["Choices"]:
                if _evaluate(choice["Condition"], {"input": given}) is True:
                    return given, choice["Next"]
            return given, state["Default"]
        if kind == "Task":
            arguments = _evaluate(state["Arguments"], {"input": given})
            result = json.loads(json.dumps(self._tasks[state["Resource"]](arguments)))
        elif kind == "Map":
            items = _evaluate(state["Items"], {"input": given})
            result = [self._run(state["ItemProcessor"], item) for item in items]
        else:
            raise NotImplementedError(kind)
        output = result
        if "Output" in state:
            output = _evaluate(state["Output"], {"input": given, "result": result})
        return output, None if state.get("End") else state["Next"]


def _evaluate(template: Any, states: Mapping[str, Any]) -> Any:
    """Return the template with each "{% … %}" string replaced by its value."""
    if isinstance(template, dict):
        return {name: _evaluate(value, states) for name, value in template.items()}
    if isinstance(template, list):
        return [_evaluate(value, states) for value in template]
    if isinstance(template, str) and template.startswith("{%"):
        expression = jsonata.Jsonata(template[2:-2].strip())
        expression.assign("states", states)
        # The library has its own lists; what goes between states is plain JSON.
        return json.loads(json.dumps(expression.evaluate(None)))
    return template
