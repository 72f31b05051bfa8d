"""The commands that send requests to an account: `check`, `flows` and `elements`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow.cli.simple_table import AirflowConsole

from airflow_provider_a360.api.client import A360Client
from airflow_provider_a360.api.endpoints import FLOW_STATUSES
from airflow_provider_a360.api.errors import A360Error
from airflow_provider_a360.api.masking import printable
from airflow_provider_a360.api.records import Element, Flow
from airflow_provider_a360.hooks.a360 import INTERACTIVE_DEADLINE, A360Hook, explain

T = TypeVar("T")


def check(arguments: argparse.Namespace) -> None:
    """Test a connection, and print the same message as the button on Airflow's connection page.

    :param arguments: `conn_id`.
    :raises SystemExit: with the message, if the test fails; the exit code is then 1.
    """
    works, message = _hook(arguments.conn_id).test_connection()
    if not works:
        raise SystemExit(message)
    print(message)


def flows(arguments: argparse.Namespace) -> None:
    """Print the account's flows.

    :param arguments: `conn_id`, `output`.
    :raises SystemExit: with a message, if the account can't be read.
    """
    _print(_request(arguments.conn_id, lambda client: list(client.flows())), _flow_columns, arguments.output)


def elements(arguments: argparse.Namespace) -> None:
    """Print a flow's elements, without deleted ones.

    :param arguments: `flow_id`, `conn_id`, `output`.
    :raises SystemExit: with a message, if the flow can't be read.
    """
    details = _request(arguments.conn_id, lambda client: client.flow(arguments.flow_id))
    _print(details.elements, _element_columns, arguments.output)


def _flow_columns(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "status": flow.status,
        "status_meaning": None if flow.status is None else FLOW_STATUSES.get(flow.status),
        "created": _isoformat(flow.created),
        "changed": _isoformat(flow.changed),
    }


def _element_columns(element: Element) -> dict[str, Any]:
    return {
        "id": element.id,
        "type": element.type,
        "name": element.name,
        "created": _isoformat(element.created),
        "last_send": _isoformat(element.last_send),
    }


def _isoformat(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _print(rows: Sequence[T], columns: Callable[[T], dict[str, Any]], output: str) -> None:
    def shown(row: T) -> dict[str, Any]:
        return {name: printable(value) if isinstance(value, str) else value for name, value in columns(row).items()}

    # An e-mail's subject may look like the console's markup: "[name], your order".
    AirflowConsole(markup=False, emoji=False).print_as(rows, output, shown)


def _request(conn_id: str, request: Callable[[A360Client], T]) -> T:
    """Return the result of a request; if it fails, end the command with a message."""
    try:
        return request(_hook(conn_id).client(deadline=INTERACTIVE_DEADLINE))
    except A360Error as error:
        raise SystemExit(explain(error)) from None


def _hook(conn_id: str) -> A360Hook:
    # Airflow's own commands set this too. Without it, Airflow doesn't look for connections in its database.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # Airflow logs to stdout, but programs that read a command's JSON need stdout to hold nothing else.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    return A360Hook(conn_id)
