"""The account without HTTP: generated and custom accounts, and the methods that tests compare results with."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

from airflow_provider_a360.sandbox import example
from airflow_provider_a360.sandbox.account import Account, Contact, Conversion, Element, Event, Flow

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def contents(account, first, last):
    """Return everything that happened in an account on whole UTC days."""
    low, high = (
        datetime.combine(first, datetime.min.time(), UTC),
        datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC),
    )
    for flow in account.flows:
        yield from sorted(repr(row) for row in flow.conversions if low <= row.conversion_date < high)
        for element in flow.elements:
            for event in element.events:
                marks = {name: at for name, at in event.marks.items() if low <= at < high}
                if low <= event.at < high or marks:
                    yield element.id, event.id, event.contact, event.at, event.status, tuple(sorted(marks.items()))


def test_accounts_with_one_seed_have_the_same_past():
    earlier, later = Account.generate(seed=4, now=NOW), Account.generate(seed=4, now=NOW + timedelta(days=75, hours=7))
    first, last = date(2026, 10, 1), date(2026, 11, 19)
    mine, others = list(contents(earlier, first, last)), list(contents(later, first, last))
    assert len(mine) > 5_000
    assert mine == others


def test_an_advanced_account_equals_one_generated_later():
    running, later = Account.generate(seed=2, now=NOW), Account.generate(seed=2, now=NOW + timedelta(days=3))
    for hour in range(0, 73, 5):
        running.advance(NOW + timedelta(hours=hour))
    running.advance(NOW + timedelta(days=3))
    assert list(contents(running, date(2026, 7, 1), date(2026, 11, 23))) == list(
        contents(later, date(2026, 7, 1), date(2026, 11, 23))
    )
    running.advance(NOW)
    assert running.flow(example.MAIN_FLOW).conversions == later.flow(example.MAIN_FLOW).conversions


def test_the_seed_decides_the_content():
    one, again, other = (
        list(contents(Account.generate(seed=seed, now=NOW), date(2026, 11, 1), date(2026, 11, 5))) for seed in (1, 1, 2)
    )
    assert one == again != other


def test_it_has_data_of_at_least_90_days_and_unique_ids():
    for now in (NOW, datetime(2026, 1, 1, tzinfo=UTC), datetime(2024, 2, 29, 23, 59, tzinfo=UTC)):
        account = Account.generate(now=now)
        rows = account.flow(example.MAIN_FLOW).conversions
        days = Counter(row.conversion_date.date() for row in rows)
        assert all(days[now.date() - timedelta(days=back)] > 0 for back in range(1, 91))
        assert max(row.conversion_date for row in rows) <= now
        ids = [row.id for flow in account.flows for row in flow.conversions]
        assert len(set(ids)) == len(ids)
        numbers = [event.id for flow in account.flows for element in flow.elements for event in element.events]
        assert len(set(numbers)) == len(numbers)


def test_ids_grow_with_time():
    rows = sorted(Account.generate(now=NOW).flow(example.MAIN_FLOW).conversions, key=lambda row: row.id)
    assert [row.conversion_date for row in rows] == sorted(row.conversion_date for row in rows)


def test_the_main_flows_queue_drains_and_the_paused_ones_does_not():
    account = Account.generate(now=NOW, drain=timedelta(seconds=60))
    main, paused = account.flow(example.MAIN_FLOW), account.flow(example.PAUSED_FLOW)
    queues = []
    for seconds in (0, 15, 30, 59, 60, 3_600):
        account.advance(NOW + timedelta(seconds=seconds))
        queues.append((main.in_queue, paused.in_queue))
    assert [queue for queue, _ in queues] == [12, 9, 6, 1, 0, 0]
    assert {queue for _, queue in queues} == {5}


def test_counts_on_counts_by_utc_day():
    at = datetime(2026, 11, 3, 23, 59, 59, tzinfo=UTC)
    ada = Contact("ada@example.com", None, "0" * 32)
    email = Element(
        2, "email", at, "Hello", events=[Event(1, ada, at, {"delivered": at, "opened": at + timedelta(seconds=1)})]
    )
    assert {name: n for name, n in email.counts_on(date(2026, 11, 3)).items() if n} == {
        "executed": 1,
        "sent": 1,
        "delivered": 1,
    }
    assert email.counts_on(date(2026, 11, 4))["opened"] == 1
    email.add(Event(2, ada, at))
    assert email.counts_on(date(2026, 11, 3), date(2026, 11, 4))["sent"] == 2
    email.mark(email.events[1], "opened", at)
    assert email.counts_on(date(2026, 11, 3))["opened"] == 1


def test_conversions_on_lists_by_utc_day_newest_first():
    midnight = datetime(2026, 11, 4, tzinfo=UTC)
    rows = [
        Conversion(number, "goal", 3, None, None, midnight + timedelta(seconds=s), midnight)
        for number, s in ((1, 0), (2, -1), (3, 86_399), (4, 86_400))
    ]
    flow = Flow(1, "Custom", 1, midnight, midnight, conversions=rows)
    assert [row.id for row in flow.conversions_on(date(2026, 11, 4))] == [3, 1]
    assert [row.id for row in flow.conversions_on(date(2026, 11, 3), date(2026, 11, 5))] == [4, 3, 1, 2]
    assert flow.conversions_on(date(2026, 11, 4), kind="maintrigger") == []
    flow.add_conversion(Conversion(7, "goal", 3, None, None, midnight, midnight))
    flow.add_conversion(Conversion(6, "goal", 3, None, None, midnight, midnight))
    assert [row.id for row in flow.conversions_on(date(2026, 11, 4))] == [3, 7, 6, 1], (
        "the higher id comes first within a second"
    )
    flow.remove_conversion(rows[0])
    assert [row.id for row in flow.conversions_on(date(2026, 11, 4))] == [3, 7, 6]


def test_a_custom_account_is_served_as_it_is(serve):
    at = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    ada = Contact(None, None, "0" * 32)
    elements = [
        Element(11, "maintrigger", at, events=[Event(1, ada, at)]),
        Element(12, "hologram", at, events=[Event(2, ada, at)]),
    ]
    call = serve(Account([Flow(10, "Custom", 7, at, at, elements, in_queue=1)]))
    flow = call.data("/autoresponders/10")
    assert flow["autoresponder"]["status"] == 7
    assert [element["af_type"] for element in flow["flows"]] == ["maintrigger", "hologram"]
    assert (flow["starts"], flow["in_queue"], flow["end_count"]) == (1, 1, 0)
    assert call.data("/autoresponders/10/total-stats")["flows"][1] == {
        "type": "hologram",
        "flow_id": 12,
        "executed": 1,
        "last_send": "2031-01-02 03:04:05",
    }
    call.sandbox.account.flows[0].in_queue = 0
    assert call.data("/autoresponders/10")["in_queue"] == 0


def test_a_flow_without_a_main_trigger_has_an_empty_array_in_its_place(serve):
    call = serve(Account([Flow(10, "Custom", 1, NOW, NOW)]))
    assert call.data("/autoresponders/10/conversions")["data"]["maintrigger"] == []


def test_pages_of_a_list_with_100000_rows(serve):
    call = serve(Account.with_conversions(100_000, until=NOW, every=timedelta(seconds=30)))
    path = f"/autoresponders/{example.MAIN_FLOW}/conversions/list"
    first = call.data(f"{path}/all", limit=100, offset=0)
    last = call.data(f"{path}/all", limit=100, offset=99_950)
    assert first["total"] == 100_000
    assert [row["id"] for row in first["items"]] == list(range(100_000, 99_900, -1))
    assert [row["id"] for row in last["items"]] == list(range(50, 0, -1))
    assert first["items"][0]["conversion_date"] == "2026-11-20 10:00:00"
    assert call.data(f"{path}/maintrigger", limit=1, offset=0)["total"] == 10_000
    day = call.data(
        f"{path}/all/group-stat-filtered", limit=1, offset=0, filter=call.days(date(2026, 11, 19), date(2026, 11, 19))
    )
    assert day["total"] == 24 * 3600 / 30
