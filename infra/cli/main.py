"""The `trading` command: finds its subcommands, one module each, and reports errors in one way."""

import importlib
from typing import Any, Final

import click

from infra.local.errors import StackError
from infra.local.settings import SettingsError

# Subcommand: the module of infra.cli that holds a click command of the same name.
SUBCOMMANDS: Final = {
    "up": "infra.cli.up",
    "down": "infra.cli.down",
    "status": "infra.cli.status",
    "waiting": "infra.cli.waiting",
    "reset": "infra.cli.reset",
    "demo": "infra.cli.demo",
    "token": "infra.cli.token",
    "settle": "infra.cli.settle",
    "backoffice": "infra.cli.backoffice",
    "trace": "infra.cli.trace",
    "replay": "infra.cli.replay",
    "journal": "infra.cli.journal",
    "bench": "infra.cli.bench",
    "upgrade": "infra.cli.upgrade",
}


class LazyGroup(click.Group):
    """Imports a subcommand when it is needed, and turns the stack's errors into exit code 1."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(SUBCOMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(SUBCOMMANDS[name]), name)
        return command

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (StackError, SettingsError) as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=LazyGroup)
@click.version_option(package_name="trading-platform")
def main() -> None:
    """Run the trading platform on this machine.

    TRADING_STATE names the state folder (default .trading in the checkout) and TRADING_PORT the
    first port (default 4566).
    """


if __name__ == "__main__":
    main()
