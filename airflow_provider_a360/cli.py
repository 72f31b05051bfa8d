"""`airflow a360 …`, also `python -m airflow_provider_a360 …`."""

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
    """The commands for Airflow's own command line (key `cli` of the provider info)."""
    return [GroupCommand(name="a360", help=_HELP, subcommands=_commands())]


def main(arguments: list[str] | None = None) -> None:
    """The same commands without Airflow's command line."""
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
    conn_id = Arg(("--conn-id",), default=DEFAULT_CONN_ID, help=f"the connection (default: {DEFAULT_CONN_ID})")
    return (
        ActionCommand(
            name="demo",
            help="Run the daily example DAG for three days against the sandbox and show what it exports",
            func=lazy_load_command("airflow_provider_a360.sandbox.demo.demo"),
            args=(),
        ),
        ActionCommand(
            name="sandbox",
            help="Serve a made-up A360 account on this machine",
            func=lazy_load_command("airflow_provider_a360.cli.sandbox"),
            args=tuple(_sandbox_args()),
        ),
        ActionCommand(
            name="check",
            help="Ask a connection's account for its flows, and say what is wrong if it can't be asked",
            func=lazy_load_command(f"{_ACCOUNT}.check"),
            args=(
                Arg(
                    ("conn_id",),
                    nargs="?",
                    default=DEFAULT_CONN_ID,
                    help=f"the connection (default: {DEFAULT_CONN_ID})",
                ),
            ),
        ),
        ActionCommand(
            name="flows",
            help="List the account's flows; times are UTC",
            func=lazy_load_command(f"{_ACCOUNT}.flows"),
            args=(conn_id, ARG_OUTPUT),
        ),
        ActionCommand(
            name="elements",
            help="List the elements of a flow, without deleted ones; times are UTC",
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
    yield Arg(("--port",), type=int, default=8360, help="port on 127.0.0.1 (default: 8360; 0 for any that is free)")
    yield Arg(("--seed",), type=int, default=1, help="what the account is made from (default: 1)")
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
    """Serve the sandbox until interrupted, and say how to connect to it."""
    from airflow_provider_a360.sandbox.options import SandboxOptions  # noqa: PLC0415

    try:
        from airflow_provider_a360.sandbox.server import Sandbox  # noqa: PLC0415
    except ImportError:
        raise SystemExit('The sandbox needs its extra: pip install "airflow-provider-a360[sandbox]"') from None
    options = SandboxOptions(
        **{option.name: getattr(arguments, option.name) for option in dataclasses.fields(SandboxOptions)}
    )
    try:
        server = Sandbox(seed=arguments.seed, port=arguments.port, options=options)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not from 0 to 65535"
        raise SystemExit(f"Port {arguments.port} can't be used ({reason}); choose another with --port.") from None
    print(f"A made-up A360 account at {server.url}. Stop with Ctrl-C. Point Airflow at it with:\n")
    print(f"export AIRFLOW_CONN_A360_DEFAULT='{server.connection_uri}'", flush=True)
    server.serve_forever()
