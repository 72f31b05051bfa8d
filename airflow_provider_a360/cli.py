"""The commands `airflow a360 …`, also available as `python -m airflow_provider_a360 …`."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Iterator

from airflow.cli.cli_config import ARG_OUTPUT, ActionCommand, Arg, GroupCommand, lazy_load_command

from airflow_provider_a360.api.arguments import identifier
from airflow_provider_a360.api.errors import A360ConfigError
from airflow_provider_a360.hooks import DEFAULT_CONN_ID

_HELP = "SendPulse Automation 360"
_ACCOUNT = "airflow_provider_a360.cli_account"


def airflow_commands() -> list[GroupCommand]:
    """Define the commands `airflow a360 …` (key `cli` of the provider info).

    :return: one group, with a subcommand for each command.
    """
    return [GroupCommand(name="a360", help=_HELP, subcommands=_commands())]


def main(arguments: list[str] | None = None) -> None:
    """Run a command given to `python -m airflow_provider_a360`, which works on every version of Airflow.

    :param arguments: the words after the program's name; None for those of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m airflow_provider_a360", description=_HELP)
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _commands():
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help)
        for argument in command.args:
            argument.add_to_parser(subparser)
        subparser.set_defaults(func=command.func)
    chosen = parser.parse_args(arguments)
    chosen.func(chosen)


def _commands() -> tuple[ActionCommand, ...]:
    conn_id = Arg(("--conn-id",), default=DEFAULT_CONN_ID, help=f"id of the connection (default: {DEFAULT_CONN_ID})")
    return (
        ActionCommand(
            name="demo",
            help="Run the daily example DAG for three days against the sandbox and show the exported rows",
            func=lazy_load_command("airflow_provider_a360.demo.demo"),
            args=(),
        ),
        ActionCommand(
            name="sandbox",
            help="Start a server with a made-up A360 account on this machine",
            func=lazy_load_command("airflow_provider_a360.cli.sandbox"),
            args=tuple(_sandbox_args()),
        ),
        ActionCommand(
            name="check",
            help="Test a connection: request the account's flows, and explain the error if that fails",
            func=lazy_load_command(f"{_ACCOUNT}.check"),
            args=(
                Arg(
                    ("conn_id",),
                    nargs="?",
                    default=DEFAULT_CONN_ID,
                    help=f"id of the connection (default: {DEFAULT_CONN_ID})",
                ),
            ),
        ),
        ActionCommand(
            name="flows",
            help="List the account's flows (times are UTC)",
            func=lazy_load_command(f"{_ACCOUNT}.flows"),
            args=(conn_id, ARG_OUTPUT),
        ),
        ActionCommand(
            name="elements",
            help="List a flow's elements, without deleted ones (times are UTC)",
            func=lazy_load_command(f"{_ACCOUNT}.elements"),
            args=(Arg(("flow_id",), type=_flow_id, help="the flow's id, as in its URL"), conn_id, ARG_OUTPUT),
        ),
    )


def _flow_id(text: str) -> int:
    try:
        return identifier(text, "flow_id")
    except A360ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _sandbox_args() -> Iterator[Arg]:
    yield Arg(("--port",), type=int, default=8360, help="port on 127.0.0.1 (default: 8360; 0: any free port)")
    yield Arg(
        ("--seed",),
        type=int,
        default=1,
        help="seed of the random numbers that the account is generated from (default: 1)",
    )
    from airflow_provider_a360.sandbox.options import SandboxOptions  # noqa: PLC0415

    hints = typing.get_type_hints(SandboxOptions)
    for option in dataclasses.fields(SandboxOptions):
        flag, text = "--" + option.name.replace("_", "-"), f"{option.metadata['help']} (default: {option.default})"
        choices = typing.get_args(hints[option.name])
        if hints[option.name] is bool:
            yield Arg((flag,), action=argparse.BooleanOptionalAction, default=option.default, help=text)
        elif choices:
            yield Arg((flag,), choices=choices, default=option.default, help=text)
        else:
            yield Arg((flag,), type=hints[option.name], default=option.default, help=text)


def sandbox(arguments: argparse.Namespace) -> None:
    """Run the sandbox until Ctrl-C, and print the connection to it.

    :param arguments: port, seed and options.
    """
    from airflow_provider_a360.sandbox.options import SandboxOptions  # noqa: PLC0415

    try:
        from airflow_provider_a360.sandbox.server import Sandbox  # noqa: PLC0415
    except ImportError:
        raise SystemExit(
            'The sandbox needs the extra "sandbox": pip install "airflow-provider-a360[sandbox]"'
        ) from None
    options = SandboxOptions(
        **{option.name: getattr(arguments, option.name) for option in dataclasses.fields(SandboxOptions)}
    )
    try:
        server = Sandbox(seed=arguments.seed, port=arguments.port, options=options)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a port is a number from 0 to 65535"
        raise SystemExit(f"Port {arguments.port} can't be used ({reason}). Choose another one with --port.") from None
    print(f"The sandbox is running at {server.url}. Press Ctrl-C to stop it. To connect Airflow to it:\n")
    print(f"export AIRFLOW_CONN_A360_DEFAULT='{server.connection_uri}'", flush=True)
    server.serve_forever()
