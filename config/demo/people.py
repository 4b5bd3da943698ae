"""People of the demo network: staff, drivers with contracts, cards and wallets, a company and a host."""

from datetime import date
from decimal import Decimal

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from djmoney.money import Money

from accounts.models import Contract, ContractType, CustomerGroup, Driver, Partner, PartnerMember, Token, User
from accounts.roles import install_roles
from accounts.services.contracts import change_contract
from accounts.services.tokens import add_rfid_token, issue_app_token
from billing.models import PaymentMethod
from billing.providers.fake import bank
from billing.providers.fake.cards import card_named
from billing.providers.registry import get_provider
from billing.services.methods import adopt_setup
from billing.services.wallets import credit_wallet
from config.demo import facts
from config.demo.facts import Person

CARD_EXPIRES_ON = date(2031, 12, 31)


def install_contract_types() -> None:
    for code, name in facts.CUSTOMER_GROUPS.items():
        CustomerGroup.objects.get_or_create(code=code, defaults={"name": name, "is_public": code == "public"})
    for kind in facts.CONTRACT_TYPES:
        terms = dict(kind.terms)
        group = terms.pop("customer_group", None)
        if ContractType.objects.filter(is_default_for_sign_up=True).exists():
            terms.pop("is_default_for_sign_up", None)
        if "min_balance_to_start" in terms:
            terms["min_balance_to_start"] = Decimal(str(terms["min_balance_to_start"]))
        ContractType.objects.get_or_create(
            code=kind.code,
            defaults={
                "name": kind.name,
                "plain_words": kind.plain_words,
                "currency": "EUR",
                "customer_group": CustomerGroup.objects.get(code=group) if group else None,
                **terms,
            },
        )


def install_partners() -> tuple[Partner, Partner]:
    """The company with a fleet and the host of charge points."""
    fleet, _created = Partner.objects.get_or_create(name=facts.FLEET["name"], defaults=facts.FLEET)
    host, _created = Partner.objects.get_or_create(name=facts.HOST["name"], defaults=facts.HOST)
    return fleet, host


def install_people() -> None:
    """Log-ins with their roles; drivers with contract, card, wallet and token."""
    install_roles()
    for person in facts.PEOPLE:
        user = _login(person)
        if person.role:
            user.groups.add(Group.objects.get(name=person.role))
        if person.contract:
            _driver(person, user)


def install_memberships(fleet: Partner, host: Partner) -> None:
    def of(name: str) -> Person:
        return next(person for person in facts.PEOPLE if person.name.startswith(name))

    manager, host_manager = (User.objects.get(email=of(name).email) for name in ("Cora", "Hana"))
    PartnerMember.objects.get_or_create(partner=fleet, user=manager, role=PartnerMember.Role.MANAGER)
    PartnerMember.objects.get_or_create(partner=host, user=host_manager, role=PartnerMember.Role.MANAGER)
    frida = Driver.objects.get(user__email=of("Frida").email)
    PartnerMember.objects.get_or_create(
        partner=fleet, driver=frida, role=PartnerMember.Role.DRIVER, defaults={"cost_centre": "Sales"}
    )


def _login(person: Person) -> User:
    user = User.objects.filter(email=person.email).first()
    if user is None:
        user = User.objects.create_user(person.email, facts.PASSWORD, name=person.name, is_staff=bool(person.role))
    EmailAddress.objects.get_or_create(user=user, email=person.email, defaults={"verified": True, "primary": True})
    return user


def _driver(person: Person, user: User) -> None:
    driver, _created = Driver.objects.get_or_create(
        user=user,
        defaults={"name": person.name, "email": person.email, "city": person.city, "country": person.country},
    )
    issue_app_token(driver_id=driver.pk)
    if not Token.objects.filter(driver=driver, kind=Token.Kind.RFID).exists():
        add_rfid_token(driver_id=driver.pk, id_tag=person.id_tag, label=f"{person.name.split()[0]}'s card")
    if not Contract.objects.filter(driver=driver).exists():
        contract_type = ContractType.objects.get(code=person.contract)
        change_contract(driver_id=driver.pk, contract_type_id=contract_type.pk, at=facts.SINCE, reason="demo network")
    if person.wallet:
        credit_wallet(
            driver_id=driver.pk,
            amount=Money(Decimal(person.wallet), "EUR"),
            kind="cash",
            origin="operator",
            reason="demo network",
            idempotency_key=f"demo:wallet:{person.email}",
        )
    if person.test_card and not PaymentMethod.objects.filter(driver=driver).exists():
        _save_card(driver, person.test_card)


def _save_card(driver: Driver, test_card: str) -> None:
    """Fill in the fake provider's page, as the driver would."""
    customer = bank.make_customer(key=f"driver:{driver.public_id}:customer", client_reference=str(driver.public_id))
    setup = bank.open_setup(
        key=f"demo:setup:{driver.public_id}",
        customer=customer.reference,
        client_reference=str(driver.public_id),
        return_url="http://127.0.0.1/",
    )
    bank.enter_card(setup_reference=setup.reference, card=card_named(test_card), expires_on=CARD_EXPIRES_ON)
    adopt_setup(provider=get_provider("fake"), reference=setup.reference, driver_id=driver.pk)
