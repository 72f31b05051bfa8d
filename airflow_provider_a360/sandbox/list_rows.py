"""The rows of contact lists and conversion lists in responses."""

from __future__ import annotations

from base64 import b64encode

from airflow_provider_a360.sandbox.flow import Contact, Conversion, Element, Event
from airflow_provider_a360.sandbox.shapes import Json, format_date

_EMAIL_STATUSES = (
    "sent", "sent", "not delivered for other reasons", "unsubscribed", "rejected by service", "wrong email address",
    "temporarily unavailable", "email address does not exist", "server rejected email address because of spam",
    "user complained about spam", "mailbox is full", "domain does not exist", "sent", "sent", "bad recipient",
)  # fmt: skip
_SMS_PRICE = {
    "USD": "0.07900", "RUR": "4.50000", "UAH": "1.93000", "EUR": "0.06400", "GBP": "0.05600", "BRL": "0.26000",
    "BYN": "0.16000", "KZT": "22.50000", "MXN": "1.49000", "CLP": "60.44000", "NGN": "30.35000",
}  # fmt: skip


def _addresses(contact: Contact, *, phone: str | int | None) -> Json:
    email = contact.email
    return {
        "email": email,
        "email_b64": None if email is None else b64encode(email.encode()).decode(),
        "phone": phone,
        "event_id": contact.event_id,
    }


def contact_row(element: Element, event: Event) -> Json:
    """Return a row of an element's contact list.

    Phone numbers are numbers where the documented sample has PHONE without quotes.

    :param element: the element
    :param event: an execution of the element
    :return: the row
    """
    contact, marks = event.contact, event.marks
    digits = None if contact.phone is None else int(contact.phone)
    if element.type == "maintrigger":
        return {
            "flow_id": element.id,
            **_addresses(contact, phone=contact.phone),
            "execution_date": format_date(event.at),
        }
    if element.type == "email":
        status = event.status if event.status is not None else int("delivered" in marks)
        description = _EMAIL_STATUSES[status] if 0 <= status < len(_EMAIL_STATUSES) else "unknown"
        return {
            "id": event.id,
            **_addresses(contact, phone=digits),
            "delivered_status": status,
            "delivered_status_description": description,
            "is_spam": int("marked_as_spam" in marks),
            "is_unsubscribe": int("unsubscribed" in marks),
            "sent_date": format_date(event.at),
            "delivered_date": format_date(marks.get("delivered")),
            "open_date": format_date(marks.get("opened")),
            "redirect_date": format_date(marks.get("clicked")),
            "updated": format_date(max([event.at, *marks.values()])),
        }
    if element.type == "push":
        return {
            "id": event.id,
            **_addresses(contact, phone=digits),
            "status": event.status or 0,
            "is_sent": 1,
            "is_delivered": int("delivered" in marks),
            "is_redirected": int("clicked" in marks),
            "sent_date": format_date(event.at),
        }
    if element.type == "sms":
        return {
            "id": event.id,
            "phone": digits,
            "status": event.status if event.status is not None else 2 * ("delivered" in marks),
            "event_id": contact.event_id,
            "sender": "sendpulse",
            "body": element.name,
            "price": _SMS_PRICE,
            "cur": "USD",
            "email": contact.email,
            "sent_date": format_date(event.at),
        }
    return {**_addresses(contact, phone=digits), "execution_date": format_date(event.at)}


def conversion_row(row: Conversion, printed_id: int) -> Json:
    """Return a row of a conversion list.

    :param row: the conversion
    :param printed_id: the id of the row
    :return: the row
    """
    return {
        "id": printed_id,
        "conversion_type": row.conversion_type,
        "flow_id": row.element_id,
        "email": row.email,
        "phone": row.phone,
        "conversion_date": format_date(row.conversion_date),
        "start_date": format_date(row.start_date),
    }
