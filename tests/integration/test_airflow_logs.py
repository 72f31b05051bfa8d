"""Runs last: whatever this session's Airflows logged, printed or stored holds nobody's address and no secret."""

import re

import pytest

ADDRESS = re.compile(rb"[\w.+-]{2,}@[\w-]+\.[\w.-]+")
BEARER = re.compile(rb"(?i)bearer\s+[\w.~+/-]{8,}")


@pytest.mark.last
def test_nothing_left_behind_holds_an_address_a_number_or_a_secret(homes, sandboxes, airflow, scheduled, sandbox):
    kept = [path for path in homes.rglob("*") if path.is_file()]
    logs = [path for path in kept if path.suffix == ".log"]
    assert {"worker.log", "commands.log", "standalone.log"} <= {path.name for path in logs}
    assert any(path.name.startswith("attempt=") for path in logs)
    assert len(sandboxes.secrets) > 500
    found = {}
    for path in kept:
        content = path.read_bytes()
        hits = [text for text in sandboxes.secrets if text.encode() in content]
        if path in logs:
            hits += [text.decode() for pattern in (ADDRESS, BEARER) for text in pattern.findall(content)]
        if hits:
            found[str(path.relative_to(homes))] = sorted(hits)[:5]
    assert found == {}
