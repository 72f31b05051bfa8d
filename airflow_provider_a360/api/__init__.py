"""A client of the A360 API. It imports no Airflow and writes no files."""
