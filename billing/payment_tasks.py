"""Background work about payments. Each may run twice or be lost; `sweep_payments` takes up what was."""

from billing.providers.fake import post
from billing.services import (
    auto_top_ups,
    card_holds,
    card_refunds,
    customers,
    debts,
    methods,
    payment_sweep,
    payments,
    provider_events,
    reconciliation,
    sessions,
)
from common import clock


def collect_leg(leg_id: int) -> None:
    """A card leg was written by settlement: charge it."""
    payments.collect_leg(leg_id=leg_id)


def place_card_hold(hold_id: int) -> None:
    """A pre-authorised session was requested or has started: hold its amount on the card."""
    card_holds.place_card_hold(hold_id=hold_id)


def release_card_hold(hold_id: int) -> None:
    """What is held on a card is not needed: let go of it."""
    card_holds.release_card_hold(hold_id=hold_id)


def send_refund(refund_id: int) -> None:
    """Money goes back to a card: ask the provider for it."""
    card_refunds.send_refund(refund_id=refund_id)


def retry_open_debt(driver_id: int, method_id: int) -> None:
    """A card was added: try on it what is open, oldest first."""
    debts.retry_open_debt(driver_id=driver_id, method_id=method_id)


def auto_top_up(driver_id: int) -> None:
    """A wallet may run low: top it up, if its driver agreed to that."""
    auto_top_ups.top_up_if_low(driver_id=driver_id)


def extend_limits(driver_id: int) -> None:
    """Money came into a wallet: sessions that near their limits may go on."""
    sessions.extend_limits(driver_id=driver_id)


def sweep_auto_top_ups() -> int:
    """Top up every wallet that runs low."""
    return auto_top_ups.sweep_auto_top_ups(clock.now())


def forget_method(method_id: int) -> None:
    """A card was removed: have the provider delete it."""
    methods.forget_method(method_id=method_id)


def process_provider_event(event_id: int) -> None:
    """A webhook was stored: find out what it means."""
    provider_events.process_event(event_id=event_id)


def deliver_fake_event(event_reference: str) -> None:
    """Bring a webhook of the fake provider to us, signed, as its own post would."""
    body, headers = post.write_out(event_reference)
    provider_events.receive_event(provider="fake", body=body, headers=headers)


def sweep_payments() -> int:
    """Take up whatever about payments is due and was not finished."""
    return payment_sweep.sweep_payments(clock.now())


def tell_customers() -> int:
    """Tell the payment provider the new names and addresses of drivers."""
    return customers.tell_customers()


def reconcile_payments() -> int:
    """Compare our books with the provider's; how many differences are open of what was compared."""
    return reconciliation.reconcile_recent().found


SCHEDULES = [
    ("Payments: retry, re-read, catch up", "billing.payment_tasks.sweep_payments", 1),
    ("Wallets: automatic top-ups", "billing.payment_tasks.sweep_auto_top_ups", 1),
    ("Payments: tell the provider of new names and addresses", "billing.payment_tasks.tell_customers", 5),
    ("Payments: compare our books with the provider's", "billing.payment_tasks.reconcile_payments", 24 * 60),
]
