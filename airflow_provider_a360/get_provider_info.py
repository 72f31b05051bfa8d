"""The metadata that Airflow reads about this provider."""

from __future__ import annotations

from typing import Any

_PACKAGE = "airflow_provider_a360"
_NAME = "SendPulse Automation 360"


def get_provider_info() -> dict[str, Any]:
    """Describe the provider, its connection type, classes and commands.

    :return: a dictionary in the form of Airflow's provider schema.
    """
    return {
        "package-name": "airflow-provider-a360",
        "name": _NAME,
        "description": "Export statistics and conversions of SendPulse Automation 360 flows to files, one per UTC day.",
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
                        "Requests per second",
                        "The service allows 10 for each account, all its API clients together.",
                        10,
                        0.01,
                        1000,
                    ),
                    "page_size": _number("Page size", "Rows per request, 1 to 100.", 100, 1, 100, "integer"),
                    "max_in_flight": _number(
                        "Concurrent requests", "The most requests at the same time, 1 to 64.", 8, 1, 64, "integer"
                    ),
                    "connect_timeout": _number(
                        "Connect timeout", "The longest wait for a connection, in seconds.", 10, 0.01, 3600
                    ),
                    "read_timeout": _number(
                        "Read timeout", "The longest wait for the next bytes of a response, in seconds.", 60, 0.01, 3600
                    ),
                    "personal_data_secret": {
                        "label": "Personal-data secret",
                        "description": (
                            'The key for exports with personal_data="hash". Use a long random string. '
                            "Exports can be joined only if they used the same key."
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
    """Describe a number field of the connection form. It starts empty, so that connections follow new defaults."""
    return {
        "label": label,
        "description": f"{description} Default: {default:g}.",
        "schema": {"type": [kind, "null"], "default": None, "minimum": lowest, "maximum": highest},
    }
