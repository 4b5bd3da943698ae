"""Finding a session, and reading why it cost what it cost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.models import Driver
from billing.models import ChargingSession
from tests.config.site.reading import text, words
from tests.config.site.world import (
    MORNING,
    card_of,
    driver_with,
    lot_of,
    meter,
    priced_network,
    reachable_connector,
    running_session,
    settled_session,
)
from tests.factories import component, element, tariff_document

pytestmark = pytest.mark.django_db

NIGHT_AND_PARKING = tariff_document(
    element(component("ENERGY", "0.20"), start_time="22:00", end_time="06:00"),
    element(component("ENERGY", "0.40"), component("FLAT", "1")),
    element(component("PARKING_TIME", "6", step_size=900), min_duration=7_200),
)


def detail(browse, driver: Driver, session: ChargingSession):
    return browse(driver).get(reverse("session_detail", args=[session.public_id]))


def test_why_this_price_line_by_line(db: None, browse) -> None:
    priced_network(NIGHT_AND_PARKING)
    ada = driver_with("credit")
    lot_of(ada, "4.00")
    card = card_of(ada)
    session = settled_session(ada, energy_wh=10_000, minutes=120, parked_minutes=40, card=card)

    page = words(detail(browse, ada, session))

    for expected in (
        # Net 10 kWh x 0.40 + 1 + 45 min x 0.10 (40 minutes are counted as 45) = 9.50; VAT 1.805.
        "11.31 €",
        "10 kWh × 0.476 €/kWh",
        "4.76 €",
        "1 × 1.19 €",
        "45 min × 0.119 €/min",
        "This price applies at all times.",
        "Another price of this tariff did not apply: it needs “22:00 to 06:00”.",
        "This price applies: after 2 h.",
        "40 min used, counted in steps of 15 min.",
        "Total, VAT included",
        "Tariff “Standard”, version 1: fixed when the session was authorised.",
        "Includes 1.81 € VAT (19 % on 9.50 €).",
        "Wallet",
        "4.00 €",
        "Card Visa •4242",
        "7.31 €",
    ):
        assert expected in page, expected
    assert reverse("session_receipt", args=[session.public_id]) in text(detail(browse, ada, session))


def test_named_prices_and_fees_say_why(db: None, browse) -> None:
    named = {
        "energy_tiers": {
            "per": "SESSION",
            "tiers": [{"up_to_kwh": 5, "price": Decimal("0.4")}, {"price": Decimal("0.2")}],
        },
        "connection_fee": {"price": 1, "after_kwh": 5},
        "idle": {"max_amount": 2},
        "service_fee": {"percent": 10, "of": "ENERGY"},
    }
    priced_network(tariff_document(element(component("PARKING_TIME", "6")), voltledger=named))
    ada = driver_with("credit")

    page = words(detail(browse, ada, settled_session(ada, energy_wh=10_000, parked_minutes=40)))

    for expected in (
        # Net 5 x 0.40 + 5 x 0.20 + parking 4 - 2 + 1 + 10 % of 3 = 6.30; VAT 1.197.
        "7.50 €",
        "Price by quantity: 0 to 5 kWh of the session.",
        "Price by quantity: from 5 kWh of the session on.",
        "Reduction of parking to its limit",
        "Reduced to the most that parking may cost in a session.",
        "Connection fee",
        "For a session of ≥ 5 kWh.",
        "Service fee 10 % of 3.00 €",
        "10 % of what the energy costs.",
    ):
        assert expected in page, expected


def test_rounding_is_shown_rather_than_hidden(db: None, browse) -> None:
    # Each line is 0.12257 gross, shown as 0.12. Together they are 0.206 net: 0.21, with 0.04 VAT 0.25.
    priced_network(tariff_document(element(component("ENERGY", "0.0103"), component("FLAT", "0.103"))))
    ada = driver_with()

    page = words(detail(browse, ada, settled_session(ada, energy_wh=10_000)))

    for expected in ("0.12 €", "Rounding: the total is rounded once, not line by line 0.01 €", "0.25 €"):
        assert expected in page


def test_the_meter_curve_is_drawn_by_the_server(ada: Driver, browse) -> None:
    session = settled_session(ada)
    meter(session)
    page = text(detail(browse, ada, session))
    assert '<polyline class="curve-line" points="0,14 50,14' in page
    assert "Highest power 11 kW at 09:00." in page


def test_a_free_session_and_one_in_review_say_so(ada: Driver, browse) -> None:
    free = running_session(
        ada, status="ended", ended_at=MORNING + timedelta(minutes=1), outcome="free", free_rule="below_least_duration"
    )
    page = words(detail(browse, ada, free))
    assert "This session is free of charge: it was very short." in page
    assert "Cost 0.00 €" in page
    parked = running_session(
        ada, status="ended", ended_at=MORNING + timedelta(hours=1), outcome="in_review", review_reason="meter_missing"
    )
    page = words(detail(browse, ada, parked))
    assert "a person checks it before anything is charged" in page
    assert "Being checked" in page


def test_an_open_session_reloads_without_javascript_and_links_its_socket(ada: Driver, browse) -> None:
    session = running_session(ada)
    page = text(detail(browse, ada, session))
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in page
    assert f'data-socket="/live/sessions/{session.public_id}/?language=en"' in page
    assert "5.5 kWh" in page
    assert "Stop charging" in page
    assert "no-store" in detail(browse, ada, session).headers["Cache-Control"]


def test_a_settled_session_neither_reloads_nor_listens(ada: Driver, browse) -> None:
    page = text(detail(browse, ada, settled_session(ada, card=card_of(ada))))
    assert "http-equiv" not in page
    assert "data-socket" not in page
    assert "live.js" not in page


def test_a_priced_session_listens_until_it_is_paid(ada: Driver, browse) -> None:
    session = settled_session(ada)
    page = text(detail(browse, ada, session))
    assert '<div id="live" hidden data-state="ended-billed-due-False"' in page
    assert f'data-socket="/live/sessions/{session.public_id}/?language=en"' in page
    assert "live.js" in page
    assert "http-equiv" not in page


def test_the_fragment_carries_the_state_the_page_was_drawn_for(ada: Driver, browse) -> None:
    session = running_session(ada)
    fragment = browse(ada).get(reverse("session_live", args=[session.public_id]))
    assert "<html" not in text(fragment)
    assert fragment.headers["X-Live-State"] == "active-pending-nothing_due-False"
    assert f'data-state="{fragment.headers["X-Live-State"]}"' in text(detail(browse, ada, session))


def test_sessions_are_found_by_place_and_day(ada: Driver, browse) -> None:
    market = reachable_connector(evse__charge_point__location__name="Market")
    settled_session(ada, connector=market)
    settled_session(ada, started_at=MORNING - timedelta(days=3))
    browser = browse(ada)

    def places(**query: str) -> list[str]:
        page = browser.get(reverse("sessions"), query)
        return [session.charge_point.location.name for session in page.context["page"]]

    assert places() == ["Harbour", "Market"]
    assert places(q="market") == ["Market"]
    assert places(since="2026-11-20") == ["Market"]
    assert places(until="2026-11-19") == ["Harbour"]
    assert places(since="2026-11-17", until="2026-11-17") == ["Harbour"]
    assert places(q="nowhere") == []
    assert "No session matches." in text(browser.get(reverse("sessions"), {"q": "nowhere"}))
    assert "Enter a valid date." in text(browser.get(reverse("sessions"), {"since": "yesterday"}))


def test_long_lists_come_in_pages_that_keep_the_filter(ada: Driver, browse) -> None:
    for day in range(21):
        settled_session(ada, started_at=MORNING - timedelta(days=day))
    page = text(browse(ada).get(reverse("sessions"), {"q": "harbour"}))
    assert "Page 1 of 2" in page
    assert '?q=harbour&page=2"' in page


def test_a_request_that_never_started_is_not_a_session(ada: Driver, browse) -> None:
    running_session(ada, status="cancelled", started_at=None, start_reported_at=None)
    assert "You have not charged yet." in text(browse(ada).get(reverse("sessions")))


def test_the_export_is_exact_filtered_and_safe_in_a_spreadsheet(ada: Driver, stranger: Driver, browse) -> None:
    trap = reachable_connector(evse__charge_point__location__name='=HYPERLINK("http://evil.example")')
    session = settled_session(ada, connector=trap)
    settled_session(ada, started_at=MORNING - timedelta(days=3))
    settled_session(stranger)

    response = browse(ada).get(reverse("sessions_export"), {"since": "2026-11-20"})

    lines = b"".join(response.streaming_content).decode("utf-8-sig").splitlines()
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert (
        lines[0]
        == "Session,Started,Ended,Place,City,Charge point,kWh,Minutes,Net,VAT,Total,Currency,State,Billed,Given back"
    )
    assert lines[1:] == [
        f"{session.pk},2026-11-20T08:00:00+00:00,2026-11-20T10:00:00+00:00,"
        '"\'=HYPERLINK(""http://evil.example"")",Berlin,'
        f"{session.charge_point.identity},15.0000,120,6.0000,1.1400,7.1400,EUR,Due,7.1400,"
    ]
