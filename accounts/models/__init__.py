from accounts.models.api_keys import ApiKey, ApiWrite
from accounts.models.audit import AuditEvent
from accounts.models.contracts import Contract, ContractType
from accounts.models.people import CustomerGroup, Driver, Partner, PartnerMember
from accounts.models.tokens import Token
from accounts.models.user import User

__all__ = [
    "ApiKey",
    "ApiWrite",
    "AuditEvent",
    "Contract",
    "ContractType",
    "CustomerGroup",
    "Driver",
    "Partner",
    "PartnerMember",
    "Token",
    "User",
]
