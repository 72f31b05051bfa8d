"""What Airflow learns about this provider."""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_a360"
_NAME = "SendPulse Automation 360"


def get_provider_info() -> dict[str, Any]:
    """The provider's information, as Airflow's provider schema has it."""
    return {
        "package-name": "airflow-provider-a360",
        "name": _NAME,
        "description": "Exports statistics and conversions of SendPulse Automation 360 flows, day by day.",
        "integrations": [
            {
                "integration-name": _NAME,
                "external-doc-url": "https://sendpulse.com/integrations/api/automation360",
                "tags": ["service"],
            }
        ],
        "operators": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.operators.export"]}],
        "sensors": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.sensors.flow_queue"]}],
        "hooks": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.hooks.a360"]}],
        "triggers": [{"integration-name": _NAME, "python-modules": [f"{_PACKAGE}.triggers.flow_queue"]}],
        "connection-types": [
            {
                "connection-type": "a360",
                "hook-name": _NAME,
                "hook-class-name": f"{_PACKAGE}.hooks.a360.A360Hook",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "port"],
                    "relabeling": {
                        "login": "Client ID",
                        "password": "Client secret, or API key",
                        "host": "Base URL",
                    },
                    "placeholders": {
                        "login": "leave empty with a static API key",
                        "password": "the client secret, or sp_apikey_…",
                        "host": "https://api.sendpulse.com",
                    },
                },
                "conn-fields": {
                    "requests_per_second": _number(
                        "Requests a second", "The account's limit is 10 for all its users together.", 10, 0.01, 1000
                    ),
                    "page_size": _number("Page size", "Rows a request, 1 to 100.", 100, 1, 100, "integer"),
                    "max_in_flight": _number(
                        "Requests in flight", "Requests under way at once, 1 to 64.", 8, 1, 64, "integer"
                    ),
                    "connect_timeout": _number(
                        "Connect time-out", "The longest wait for a connection, in seconds.", 10, 0.01, 3600
                    ),
                    "read_timeout": _number(
                        "Read time-out", "The longest silence within an answer, in seconds.", 60, 0.01, 3600
                    ),
                    "personal_data_secret": {
                        "label": "Personal-data secret",
                        "description": (
                            'The key of exports with personal_data="hash". Long and random; '
                            "only exports with the same key can be joined."
                        ),
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            }
        ],
        "cli": [f"{_PACKAGE}.cli.airflow_commands"],
    }


def _number(
    label: str, description: str, default: float, lowest: float, highest: float, kind: str = "number"
) -> dict[str, Any]:
    """A field of the connection's form; it starts empty, so that a changed default reaches all connections."""
    return {
        "label": label,
        "description": f"{description} Default: {default:g}.",
        "schema": {"type": [kind, "null"], "default": None, "minimum": lowest, "maximum": highest},
    }
