"""`python -m airflow_provider_a360 …`."""

from airflow_provider_a360.cli import main

main()
