"""What the demo network consists of. Everything is invented; consumers' prices include VAT, the fleet's do not."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

# In force before any demo session.
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
VAT_SINCE = date(2021, 1, 1)
# One password for every demo log-in: the demo refuses to run where real money moves.
PASSWORD = "voltledger-demo"  # noqa: S105 - printed on purpose
DOMAIN = "demo.voltledger.example"

VAT_RATES = {"AT": "20", "BE": "21", "DE": "19", "FR": "20", "NL": "21"}

LEGAL_ENTITY = {
    "name": "Voltledger Demo GmbH",
    "address": "Stromallee 1",
    "postal_code": "10115",
    "city": "Berlin",
    "country": "DE",
    "vat_id": "DE123456788",
    "registration": "HRB 123456 B, Amtsgericht Charlottenburg",
    "email": f"billing@{DOMAIN}",
    "time_zone": "Europe/Berlin",
}
DOCUMENT_PREFIX = "VLD"

REGIONS = {"berlin": ("Berlin", "DE"), "amsterdam": ("Amsterdam", "NL")}


@dataclass(frozen=True)
class Place:
    code: str
    name: str
    region: str
    address: str
    postal_code: str
    city: str
    country: str
    time_zone: str
    latitude: str
    longitude: str
    is_hosted: bool = False


PLACES = [
    Place(
        "berlin-hafen", "Berlin Hafen", "berlin", "Hafenplatz 4", "10963", "Berlin", "DE", "Europe/Berlin", "52.502300",
        "13.379900",
    ),
    Place(
        "berlin-buerohof", "Bürohof Adlershof", "berlin", "Rudower Chaussee 12", "12489", "Berlin", "DE",
        "Europe/Berlin", "52.433100", "13.534500", is_hosted=True,
    ),
    Place(
        "berlin-ost", "Rasthof Berlin Ost", "berlin", "An der Autobahn 7", "12555", "Berlin", "DE", "Europe/Berlin",
        "52.456200", "13.628400",
    ),
    Place(
        "amsterdam-zuid", "Amsterdam Zuid", "amsterdam", "Strawinskylaan 20", "1077 XX", "Amsterdam", "NL",
        "Europe/Amsterdam", "52.338900", "4.873000",
    ),
]  # fmt: skip


@dataclass(frozen=True)
class Plug:
    """A connector on an EVSE of its own."""

    power_type: str
    max_power_w: int
    standard: str


AC_11 = Plug("AC", 11_000, "IEC_62196_T2")
AC_22 = Plug("AC", 22_000, "IEC_62196_T2")
DC_50 = Plug("DC", 50_000, "IEC_62196_T2_COMBO")
HPC_300 = Plug("DC", 300_000, "IEC_62196_T2_COMBO")

# Identity: (place, connectors)
CHARGE_POINTS: dict[str, tuple[str, list[Plug]]] = {
    "DEMO-AC-1": ("berlin-hafen", [AC_22, AC_22]),
    "DEMO-AC-2": ("berlin-hafen", [AC_11, AC_11]),
    "DEMO-AC-3": ("berlin-buerohof", [AC_11, AC_11]),
    "DEMO-AC-4": ("amsterdam-zuid", [AC_22, AC_22]),
    "DEMO-AC-5": ("berlin-hafen", [AC_22, AC_22]),
    "DEMO-DC-1": ("amsterdam-zuid", [DC_50, DC_50]),
    "DEMO-DC-2": ("berlin-hafen", [DC_50]),
    "DEMO-HPC-1": ("berlin-ost", [HPC_300, HPC_300]),
    "DEMO-HPC-2": ("amsterdam-zuid", [HPC_300]),
}

# The label one can read about: elsewhere codes are drawn at random.
LABELLED = ("DEMO-HPC-1", 2)
LABEL_CODE = "DEM00001"

# The others speak 1.6.
SPEAK_OCPP_201 = frozenset({"DEMO-AC-5"})

CUSTOMER_GROUPS = {"individuals": "Individuals", "fleets": "Fleets", "private": "Private", "public": "Public"}


@dataclass(frozen=True)
class Kind:
    """A contract type: code, name, and what it decides."""

    code: str
    name: str
    plain_words: str
    terms: dict[str, object] = field(default_factory=dict)


CONTRACT_TYPES = [
    Kind(
        "pay-as-you-go",
        "Pay as you go",
        "You pay for each session by card, after it has ended.",
        {"billing_model": "postpaid", "customer_group": "individuals", "is_default_for_sign_up": True},
    ),
    Kind(
        "pay-as-you-go-credit",
        "Pay as you go with credit",
        "Credit on your account is used up first; the rest of each session goes to your card.",
        {"billing_model": "postpaid", "wallet_use": "draw_first", "customer_group": "individuals"},
    ),
    Kind(
        "wallet",
        "Wallet",
        "You top up first and charge from your balance.",
        {
            "billing_model": "wallet",
            "wallet_use": "only",
            "self_topup": True,
            "auto_topup": True,
            "min_balance_to_start": "1",
            "customer_group": "individuals",
        },
    ),
    Kind(
        "pre-authorised",
        "Card with a hold",
        "An amount is held on your card before each session; what you use is taken, the rest is released.",
        {"billing_model": "preauth", "customer_group": "individuals"},
    ),
    Kind(
        "fleet",
        "Fleet",
        "Your company's prices; sessions are charged to the company card.",
        {"billing_model": "postpaid", "customer_group": "fleets"},
    ),
    Kind("open-access", "Open access", "Charging is free for you.", {"billing_model": "open_access"}),
    Kind(
        "subscription-only",
        "Subscription only",
        "Charging is part of your subscription.",
        {"billing_model": "subscription_only"},
    ),
]


def _component(kind: str, price: str, step_size: int = 1) -> str:
    return f'{{"type": "{kind}", "price": {price}, "step_size": {step_size}}}'


def _element(components: list[str], restrictions: str = "") -> str:
    rest = f', "restrictions": {{{restrictions}}}' if restrictions else ""
    return f'{{"price_components": [{", ".join(components)}]{rest}}}'


def tariff_json(code: str, elements: list[str], more: str = "") -> str:
    """An OCPI 2.2.1 tariff; numbers are written as text, never through a float."""
    return (
        f'{{"country_code": "DE", "party_id": "VLD", "id": "{code}", "currency": "EUR", '
        f'"elements": [{", ".join(elements)}], {more}"last_updated": "2024-01-01T00:00:00Z"}}'
    )


# Parking is priced from the third hour on, by day.
_PARKING = _element(
    [_component("PARKING_TIME", "3.60", 60)], '"min_duration": 7200, "start_time": "08:00", "end_time": "22:00"'
)

_GROSS = '"tax_included": "YES", '

# Code: (name, elements, further fields)
TARIFFS: dict[str, tuple[str, list[str], str]] = {
    "ac-standard": ("AC standard", [_element([_component("ENERGY", "0.49")]), _PARKING], _GROSS),
    "ac-night": (
        "AC with night price",
        [
            _element([_component("ENERGY", "0.35")], '"start_time": "22:00", "end_time": "06:00"'),
            _element([_component("ENERGY", "0.49")]),
            _PARKING,
        ],
        _GROSS,
    ),
    "dc-standard": ("DC standard", [_element([_component("ENERGY", "0.59")])], _GROSS),
    "dc-amsterdam": ("DC Amsterdam", [_element([_component("ENERGY", "0.62"), _component("FLAT", "0.40")])], _GROSS),
    "hpc": (
        "High power",
        [
            _element([_component("ENERGY", "0.69"), _component("FLAT", "0.60")]),
            _element([_component("TIME", "7.20", 60)], '"min_duration": 2700'),
        ],
        _GROSS + '"min_price": {"incl_vat": 2.40}, ',
    ),
    # From 50 kW on, who charges without a contract pays per kWh, and per minute for standing: nothing else is allowed.
    "hpc-ad-hoc": (
        "High power ad hoc",
        [_element([_component("ENERGY", "0.75")]), _element([_component("TIME", "7.20", 60)], '"min_duration": 2700')],
        _GROSS,
    ),
    "ac-market": (
        "AC at the market price",
        [_PARKING],
        _GROSS + '"voltledger": {"spot": {"series": "DAY-AHEAD", "factor": 1.21, "markup": 0.24, "floor": 0.25, '
        '"cap": 0.65, "fallback": 0.49}}, ',
    ),
    "fleet": ("Fleet prices", [_element([_component("ENERGY", "0.36")])], ""),
    "office": ("Office yard", [_element([_component("ENERGY", "0.29")])], _GROSS),
}

# Market prices by hour of the day, in euro per MWh before tax: cheap at noon, dear in the evening.
MARKET = "DAY-AHEAD"
MARKET_NAME = "Day-ahead market (invented)"
MARKET_HOURS = (
    62, 58, 55, 54, 56, 64, 82, 98, 92, 71, 48, 31, 22, 18, 26, 44, 69, 104, 131, 138, 118, 96, 80, 70,
)  # fmt: skip

# Where each tariff applies: (tariff, columns of the assignment). Places are named by code or identity.
ASSIGNMENTS: list[tuple[str, dict[str, str]]] = [
    ("ac-standard", {"scope": "network", "power_class": "AC"}),
    ("dc-standard", {"scope": "network", "power_class": "DC"}),
    ("hpc", {"scope": "network", "power_class": "HPC"}),
    ("hpc-ad-hoc", {"scope": "network", "power_class": "HPC", "channel": "ad_hoc"}),
    ("fleet", {"scope": "network", "power_class": "AC", "customer_group": "fleets"}),
    ("fleet", {"scope": "network", "power_class": "DC", "customer_group": "fleets"}),
    ("ac-night", {"scope": "location", "location": "berlin-hafen", "power_class": "AC"}),
    ("ac-market", {"scope": "location", "location": "amsterdam-zuid", "power_class": "AC"}),
    ("dc-amsterdam", {"scope": "region", "region": "amsterdam", "power_class": "DC"}),
    ("dc-standard", {"scope": "region", "region": "amsterdam", "power_class": "DC", "channel": "ad_hoc"}),
    ("office", {"scope": "connector", "connector": "DEMO-AC-3/1"}),
]


# Free for everybody: three sessions a day of 10 kWh each.
OPEN_ACCESS_NAME = "Free power hour"
OPEN_ACCESS_CONNECTOR = ("DEMO-AC-4", 2)


@dataclass(frozen=True)
class Person:
    """A log-in. `role` names an operator role; `contract` makes a driver; `wallet` is what an operator added."""

    name: str
    who: str
    role: str = ""
    contract: str = ""
    wallet: str = ""
    test_card: str = ""
    id_tag: str = ""
    city: str = "Berlin"
    country: str = "DE"

    @property
    def email(self) -> str:
        return f"{self.name.split()[0].lower()}@{DOMAIN}"


PEOPLE = [
    Person("Otto Operator", "operator, may do everything", role="Owner"),
    Person("Fina Finance", "finance", role="Finance"),
    Person("Susi Support", "customer support", role="Support"),
    Person("Rita Reader", "may read, may not act", role="Read-only"),
    Person(
        "Ada Lovelace", "driver: pay as you go with 4.00 € of credit", contract="pay-as-you-go-credit", wallet="4.00",
        test_card="visa", id_tag="DEMOADA001",
    ),
    Person("Leo Lindt", "driver: pay as you go, credit already spent", contract="pay-as-you-go-credit",
           wallet="4.00", test_card="visa", id_tag="DEMOLEO001"),
    Person("Ben Bergmann", "driver: wallet", contract="wallet", wallet="60.00", test_card="mastercard",
           id_tag="DEMOBEN001"),
    Person("Chris de Vries", "driver: pay as you go, card", contract="pay-as-you-go", test_card="mastercard",
           id_tag="DEMOCHRIS1", city="Amsterdam", country="NL"),
    Person("Dora Dahl", "driver: pay as you go, card without funds", contract="pay-as-you-go",
           test_card="insufficient_funds", id_tag="DEMODORA01"),
    Person("Emil Ernst", "driver: amount held on the card first", contract="pre-authorised", test_card="visa",
           id_tag="DEMOEMIL01"),
    Person("Frida Falk", "driver of Cora's fleet", contract="fleet", test_card="visa", id_tag="DEMOFRIDA1"),
    Person("Gus Gast", "driver: open access", contract="open-access", id_tag="DEMOGUS001"),
    Person("Sven Sommer", "driver: subscription only", contract="subscription-only", id_tag="DEMOSVEN01"),
    Person("Cora Company", "partner manager of Cora's Fleet GmbH"),
    Person("Hana Host", "host of Bürohof Adlershof"),
]  # fmt: skip

FLEET = {
    "name": "Cora's Fleet GmbH",
    "is_corporate_customer": True,
    "vat_id": "DE987654321",
    "billing_email": f"invoices@{DOMAIN}",
    "address": "Flottenweg 3",
    "postal_code": "10999",
    "city": "Berlin",
}
HOST = {
    "name": "Hana's Bürohof GbR",
    "is_host": True,
    "billing_email": f"hana@{DOMAIN}",
    "address": "Rudower Chaussee 12",
    "postal_code": "12489",
    "city": "Berlin",
}
