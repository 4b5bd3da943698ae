"""People, places and tariffs the whole suite shares. Ada drives, Otto operates.

Every factory makes the smallest valid thing; say in the test what the test is about.
"""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import factory

from accounts.models import Contract, ContractType, CustomerGroup, Driver, Partner, Token, User
from common.ids import new_code
from locations.models import ChargePoint, Connector, Evse, LegalEntity, Location, Region
from tariffs.models import PriceSeries, Tariff, TariffAssignment, TariffVersion, VatRate

M = TypeVar("M")

if TYPE_CHECKING:

    class ModelFactory(Generic[M]):
        """A factory called makes a model, which its own types do not say."""

        def __new__(cls, *args: Any, **kwargs: Any) -> M: ...  # type: ignore[misc]

        @classmethod
        def create(cls, **kwargs: Any) -> M: ...

        @classmethod
        def build(cls, **kwargs: Any) -> M: ...

        @classmethod
        def create_batch(cls, size: int, **kwargs: Any) -> list[M]: ...

else:
    ModelFactory = factory.django.DjangoModelFactory

# Contracts and tariffs of the factories are in force from here on.
LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)


class UserFactory(ModelFactory[User]):
    """Ada's login."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda number: f"ada{number}@example.org")
    name = "Ada"
    password = factory.django.Password("correct horse battery")


class StaffFactory(UserFactory):
    """Otto, who operates the network."""

    email = factory.Sequence(lambda number: f"otto{number}@example.org")
    name = "Otto"
    is_staff = True
    is_superuser = True


class CustomerGroupFactory(ModelFactory[CustomerGroup]):
    class Meta:
        model = CustomerGroup

    code = factory.Sequence(lambda number: f"group-{number}")
    name = "Individuals"


class PartnerFactory(ModelFactory[Partner]):
    class Meta:
        model = Partner

    name = "Cora's Fleet GmbH"
    is_corporate_customer = True


class DriverFactory(ModelFactory[Driver]):
    """Ada, with a login and no contract yet."""

    class Meta:
        model = Driver

    user = factory.SubFactory(UserFactory)
    name = "Ada"
    email = factory.LazyAttribute(lambda driver: driver.user.email if driver.user else "")


class ContractTypeFactory(ModelFactory[ContractType]):
    """Pay as you go: the card is charged after the session, the wallet is not touched."""

    class Meta:
        model = ContractType

    code = factory.Sequence(lambda number: f"pay-as-you-go-{number}")
    name = "Pay as you go"
    billing_model = ContractType.BillingModel.POSTPAID
    wallet_use = ContractType.WalletUse.NONE
    currency = "EUR"

    class Params:
        # The credit mechanism: the wallet first, then the card; the driver cannot top up.
        credit = factory.Trait(wallet_use=ContractType.WalletUse.DRAW_FIRST, name="Pay as you go with credit")
        wallet = factory.Trait(
            billing_model=ContractType.BillingModel.WALLET,
            wallet_use=ContractType.WalletUse.ONLY,
            self_topup=True,
            name="Wallet",
        )
        open_access = factory.Trait(billing_model=ContractType.BillingModel.OPEN_ACCESS, name="Open access")
        preauth = factory.Trait(billing_model=ContractType.BillingModel.PREAUTH, name="Pre-authorised")


class ContractFactory(ModelFactory[Contract]):
    class Meta:
        model = Contract

    driver = factory.SubFactory(DriverFactory)
    contract_type = factory.SubFactory(ContractTypeFactory)
    starts_at = LONG_AGO


class TokenFactory(ModelFactory[Token]):
    class Meta:
        model = Token

    id_tag = factory.LazyFunction(lambda: f"04{new_code(12)}")
    label = "Ada's card"
    driver = factory.SubFactory(DriverFactory)


class LegalEntityFactory(ModelFactory[LegalEntity]):
    class Meta:
        model = LegalEntity
        django_get_or_create = ("document_prefix",)

    name = "Voltledger Demo GmbH"
    address = "Stromallee 1"
    postal_code = "10115"
    city = "Berlin"
    country = "DE"
    vat_id = "DE123456788"
    document_prefix = "VL"
    time_zone = "Europe/Berlin"


class RegionFactory(ModelFactory[Region]):
    class Meta:
        model = Region
        django_get_or_create = ("code",)

    code = "berlin"
    name = "Berlin"
    country = "DE"


class LocationFactory(ModelFactory[Location]):
    class Meta:
        model = Location

    code = factory.Sequence(lambda number: f"harbour-{number}")
    name = "Harbour"
    legal_entity = factory.SubFactory(LegalEntityFactory)
    region = factory.SubFactory(RegionFactory)
    address = "Hafenstraße 1"
    postal_code = "10115"
    city = "Berlin"
    country = "DE"
    time_zone = "Europe/Berlin"


class ChargePointFactory(ModelFactory[ChargePoint]):
    class Meta:
        model = ChargePoint

    identity = factory.Sequence(lambda number: f"CP-{number}")
    location = factory.SubFactory(LocationFactory)


class EvseFactory(ModelFactory[Evse]):
    class Meta:
        model = Evse

    charge_point = factory.SubFactory(ChargePointFactory)
    number = 1


class ConnectorFactory(ModelFactory[Connector]):
    """An 11 kW AC connector in Berlin; `dc=True` and `hpc=True` are faster."""

    class Meta:
        model = Connector

    evse = factory.SubFactory(EvseFactory)
    charge_point = factory.SelfAttribute("evse.charge_point")
    number = factory.SelfAttribute("evse.number")
    power_type = Connector.PowerType.AC
    max_power_w = 11_000

    class Params:
        dc = factory.Trait(power_type=Connector.PowerType.DC, max_power_w=50_000)
        hpc = factory.Trait(power_type=Connector.PowerType.DC, max_power_w=300_000)


def component(kind: str, price: str, *, vat: str | None = None, step_size: int = 1) -> dict[str, Any]:
    """One OCPI price component: ENERGY per kWh, TIME and PARKING_TIME per hour, FLAT per session; net prices."""
    result: dict[str, Any] = {"type": kind, "price": Decimal(price), "step_size": step_size}
    if vat is not None:
        result["vat"] = Decimal(vat)
    return result


def element(*components: dict[str, Any], **restrictions: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"price_components": list(components)}
    if restrictions:
        result["restrictions"] = restrictions
    return result


def tariff_document(*elements: dict[str, Any], currency: str = "EUR", **extra: Any) -> str:
    """Canonical OCPI tariff JSON: sorted keys, numbers as written, never through a float."""
    tariff = {
        "country_code": "DE",
        "party_id": "VLT",
        "id": "test",
        "currency": currency,
        "elements": list(elements),
        "last_updated": "2024-01-01T00:00:00Z",
        **extra,
    }
    return _json(tariff)


def _json(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_json(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)


class TariffFactory(ModelFactory[Tariff]):
    class Meta:
        model = Tariff

    code = factory.Sequence(lambda number: f"tariff-{number}")
    name = "Standard"
    currency = "EUR"


class TariffVersionFactory(ModelFactory[TariffVersion]):
    """Published: 0.40 €/kWh net plus VAT of the country. Give `document` for any other price."""

    class Meta:
        model = TariffVersion

    tariff = factory.SubFactory(TariffFactory)
    number = 1
    document = factory.LazyFunction(lambda: tariff_document(element(component("ENERGY", "0.40"))))
    digest = factory.LazyAttribute(lambda version: hashlib.sha256(version.document.encode()).hexdigest())
    status = TariffVersion.Status.PUBLISHED
    valid_from = LONG_AGO
    published_at = LONG_AGO


class PriceSeriesFactory(ModelFactory[PriceSeries]):
    """Hourly market prices in Berlin, none yet."""

    class Meta:
        model = PriceSeries

    code = "DE-LU"
    name = "Day ahead"
    currency = "EUR"
    step_minutes = 60
    time_zone = "Europe/Berlin"


class NetworkAssignmentFactory(ModelFactory[TariffAssignment]):
    """The tariff of the whole network. A tariff without a published version prices nothing: make one too."""

    class Meta:
        model = TariffAssignment

    tariff = factory.SubFactory(TariffFactory)
    scope = TariffAssignment.Scope.NETWORK
    valid_from = LONG_AGO


class VatRateFactory(ModelFactory[VatRate]):
    class Meta:
        model = VatRate
        django_get_or_create = ("country", "valid_from")

    country = "DE"
    percent = Decimal("19")
    valid_from = LONG_AGO.date()
