"""SendPulse Automation 360 (A360) for Apache Airflow."""

__version__ = "0.2.0"
