"""Operator roles as groups of permissions. An action asks for the permission of the row it writes.

| action in the portal                    | permission                     |
|-----------------------------------------|--------------------------------|
| put a driver on another contract        | accounts.add_contract          |
| block or unblock a driver, a token      | accounts.change_driver, _token |
| preview a migration of contracts        | billing.add_contractmigration  |
| confirm, cancel or undo a migration     | billing.change_contractmigration |
| add money to a wallet                   | billing.add_walletlot          |
| take money out of a wallet              | billing.change_walletlot       |
| decide a session in review              | billing.change_chargingsession |
| refund a session                        | billing.add_sessionrefund      |
| take up a card refund that failed       | billing.change_refund          |
| note what is done about a dispute       | billing.change_dispute         |
| decide a payment in doubt               | billing.change_payment         |
| adjust what a customer owes             | billing.change_ledgeraccount   |
| decide a difference with the provider   | billing.change_discrepancy     |
| write off what cannot be collected      | billing.change_fundingleg      |
| let a debtor charge, end that           | billing.add_debtexemption, _change |
| correct a tariff for the past           | billing.add_pricecorrection    |
| approve or reject a price correction    | billing.change_pricecorrection |
| say how much is held on cards           | billing.add_holdpolicy, _change|
| say where charging is free for all      | billing.add_openaccess, _change|
| replay a tariff on past sessions        | billing.add_tariffreplay       |
| cancel a replay or start it again       | billing.change_tariffreplay    |
| start, stop, command a charge point     | ocpp_gateway.add_command       |
| approve a charge point, issue its key   | locations.change_chargepoint   |
| draft a tariff version                  | tariffs.add_tariffversion      |
| publish or withdraw a tariff version    | tariffs.change_tariffversion   |
| make or revoke a key to the API         | accounts.add_apikey, _change   |
| bring in market prices                  | tariffs.add_priceimport        |
"""

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db import transaction

OWN_APPS = ("accounts", "locations", "tariffs", "billing", "ocpp_gateway", "invoicing")

OWNER = "Owner"
OPERATIONS = "Operations"
SUPPORT = "Support"
FINANCE = "Finance"
READ_ONLY = "Read-only"

_ALL = "*"
_NETWORK_VIEW = ["locations.view_*", "tariffs.view_*", "ocpp_gateway.view_*"]
_CUSTOMER_VIEW = [
    "accounts.view_driver",
    "accounts.view_contract",
    "accounts.view_contracttype",
    "accounts.view_customergroup",
    "accounts.view_partner",
    "accounts.view_partnermember",
    "accounts.view_token",
    "accounts.view_auditevent",
]

# Patterns of “app.action_model”; “*” stands for the rest of a name.
ROLES: dict[str, list[str]] = {
    OWNER: [
        *(f"{app}.{verb}_*" for app in OWN_APPS for verb in ("view", "add", "change", "delete")),
        "auth.view_group",
        "django_q.view_*",
        "django_q.change_schedule",
        "django_q.delete_failure",
    ],
    OPERATIONS: [
        *_NETWORK_VIEW,
        *_CUSTOMER_VIEW,
        "locations.add_location",
        "locations.change_location",
        "locations.add_region",
        "locations.change_region",
        "locations.*_chargepoint",
        "locations.*_chargepointmodel",
        "locations.*_evse",
        "locations.*_connector",
        "accounts.add_token",
        "accounts.change_token",
        "accounts.view_apikey",
        "accounts.add_apikey",
        "accounts.change_apikey",
        "ocpp_gateway.add_command",
        "ocpp_gateway.change_parkedreport",
        "billing.view_chargingsession",
        "billing.change_chargingsession",
        "billing.view_metervalue",
        "billing.view_cdr",
        "billing.view_costline",
        "django_q.view_*",
    ],
    SUPPORT: [
        *_NETWORK_VIEW,
        *_CUSTOMER_VIEW,
        "accounts.add_driver",
        "accounts.change_driver",
        "accounts.add_contract",
        "accounts.add_token",
        "accounts.change_token",
        "accounts.add_partnermember",
        "accounts.change_partnermember",
        "billing.view_*",
        "billing.add_walletlot",
        "billing.*_debtexemption",
        "ocpp_gateway.add_command",
        "invoicing.view_*",
    ],
    FINANCE: [
        *_NETWORK_VIEW,
        *_CUSTOMER_VIEW,
        "accounts.add_contracttype",
        "accounts.change_contracttype",
        "accounts.*_customergroup",
        "accounts.add_partner",
        "accounts.change_partner",
        "accounts.add_contract",
        "billing.add_contractmigration",
        "billing.change_contractmigration",
        "locations.change_legalentity",
        "tariffs.add_*",
        "tariffs.change_*",
        "billing.view_*",
        "billing.add_walletlot",
        "billing.change_walletlot",
        "billing.add_sessionrefund",
        "billing.*_debtexemption",
        "billing.change_refund",
        "billing.change_dispute",
        "billing.change_discrepancy",
        "billing.change_payment",
        "billing.change_ledgeraccount",
        "billing.add_pricecorrection",
        "billing.change_pricecorrection",
        "billing.*_holdpolicy",
        "billing.add_openaccess",
        "billing.change_openaccess",
        "billing.add_tariffreplay",
        "billing.change_tariffreplay",
        "billing.change_fundingleg",
        "billing.change_chargingsession",
        "invoicing.view_*",
    ],
    READ_ONLY: [f"{app}.view_*" for app in OWN_APPS],
}


@transaction.atomic
def install_roles() -> list[Group]:
    """Create the roles, or bring their permissions back to what is written here. Idempotent; members are kept."""
    permissions = list(Permission.objects.select_related("content_type"))
    groups = []
    for name, patterns in ROLES.items():
        group, _created = Group.objects.get_or_create(name=name)
        group.permissions.set([permission for permission in permissions if _matches(permission, patterns)])
        groups.append(group)
    return groups


def _matches(permission: Permission, patterns: Iterable[str]) -> bool:
    app_label = permission.content_type.app_label
    verb, _separator, model = permission.codename.partition("_")
    for pattern in patterns:
        pattern_app, _dot, codename = pattern.partition(".")
        pattern_verb, _separator, pattern_model = codename.partition("_")
        if app_label == pattern_app and pattern_verb in (verb, _ALL) and pattern_model in (model, _ALL):
            return True
    return False
