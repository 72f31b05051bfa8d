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
                    "hidden-fields": ["schema", "port", "extra"],
                    "relabeling": {
                        "login": "Client ID",
                        "password": "Client secret, or API key",
                        "host": "Base URL",
                    },
                    "placeholders": {
                        "login": "empty with a static API key",
                        "password": "the client secret, or sp_apikey_…",
                        "host": "https://api.sendpulse.com",
                    },
                },
                "conn-fields": {
                    "requests_per_second": _number(
                        "Requests a second", "The account's limit: 10 for all its users.", 10
                    ),
                    "page_size": _number("Page size", "Rows a request, 1 to 100.", 100, "integer"),
                    "max_in_flight": _number("Requests in flight", "Requests under way at once.", 8, "integer"),
                    "connect_timeout": _number("Connect time-out", "Seconds.", 10),
                    "read_timeout": _number("Read time-out", "Seconds of silence within an answer.", 60),
                    "personal_data_secret": {
                        "label": "Personal-data secret",
                        "description": "Key for hashing addresses: long and random, the same for exports to be joined.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                },
            }
        ],
        "cli": [f"{_PACKAGE}.cli.airflow_commands"],
    }


def _number(label: str, description: str, default: float, kind: str = "number") -> dict[str, Any]:
    """A field of the connection's form; left empty, it is what the description's default says."""
    return {
        "label": label,
        "description": f"{description} Default: {default:g}.",
        "schema": {"type": [kind, "null"], "default": None},
    }
