"""A360 as Python: imports no Airflow and writes no file."""
