"""The DAG that the contender `dag_test` runs; its order is in the environment."""

import json
import os

from airflow.sdk import DAG
from bench import Order
from contenders import operator

with DAG("benchmark", schedule=None):
    operator(Order(**json.loads(os.environ["A360_BENCHMARK_ORDER"])))
