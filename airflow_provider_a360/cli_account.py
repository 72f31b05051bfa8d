"""The commands that ask an account: `check`, `flows` and `elements`."""

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
from airflow_provider_a360.hooks.a360 import PATIENCE, A360Hook, trouble

T = TypeVar("T")


def check(arguments: argparse.Namespace) -> None:
    """Say whether an account can be asked, in the words of the connection page's button; exits with 1 if not."""
    works, said = _hook(arguments.conn_id).test_connection()
    if not works:
        raise SystemExit(said)
    print(said)  # noqa: T201


def flows(arguments: argparse.Namespace) -> None:
    """Print the account's flows."""
    _print(_ask(arguments.conn_id, lambda client: list(client.flows())), _of_flow, arguments.output)


def elements(arguments: argparse.Namespace) -> None:
    """Print a flow's elements; those deleted from it are not among them."""
    details = _ask(arguments.conn_id, lambda client: client.flow(arguments.flow_id))
    _print(details.elements, _of_element, arguments.output)


def _of_flow(flow: Flow) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "status": flow.status,
        "status_meaning": None if flow.status is None else FLOW_STATUSES.get(flow.status),
        "created": _printed(flow.created),
        "changed": _printed(flow.changed),
    }


def _of_element(element: Element) -> dict[str, Any]:
    return {
        "id": element.id,
        "type": element.type,
        "name": element.name,
        "created": _printed(element.created),
        "last_send": _printed(element.last_send),
    }


def _printed(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _print(rows: Sequence[T], columns: Callable[[T], dict[str, Any]], output: str) -> None:
    def shown(row: T) -> dict[str, Any]:
        return {name: printable(value) if isinstance(value, str) else value for name, value in columns(row).items()}

    # The subject of an e-mail may well hold what the console would take for markup: "[name], your order".
    AirflowConsole(markup=False, emoji=False).print_as(rows, output, shown)


def _ask(conn_id: str, question: Callable[[A360Client], T]) -> T:
    """What the connection's account answers; where it doesn't, the command ends with what is wrong."""
    try:
        return question(_hook(conn_id).client(deadline=PATIENCE))
    except A360Error as error:
        raise SystemExit(trouble(error)) from None


def _hook(conn_id: str) -> A360Hook:
    # As Airflow's own commands do: without it, connections of its database are not found.
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
    # Airflow logs to stdout, where a program expects the answer and nothing else.
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)
    return A360Hook(conn_id)
