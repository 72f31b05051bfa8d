"""What the sensor refuses before a DAG runs."""

import pytest

from airflow_provider_a360.sensors.flow_queue import A360FlowQueueSensor


def test_silent_fail_is_refused_as_the_modes_would_differ():
    with pytest.raises(ValueError, match="silent_fail is not for this sensor"):
        A360FlowQueueSensor(task_id="wait", flow_id=1, silent_fail=True)
