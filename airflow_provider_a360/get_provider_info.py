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
            {"connection-type": "a360", "hook-name": _NAME, "hook-class-name": f"{_PACKAGE}.hooks.a360.A360Hook"}
        ],
        "cli": [f"{_PACKAGE}.cli.airflow_commands"],
    }
