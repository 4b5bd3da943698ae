"""Security events of stations (OCPP security whitepaper, appendix 2): which of them a person should see. Pure."""

from typing import Final

# Somebody may be at work on the station, its software or its connection. The rest is routine (boots, clock settings).
_ALARMING: Final = frozenset(
    {
        "AttemptedReplayAttacks",
        "FailedToAuthenticateAtCentralSystem",
        "CentralSystemFailedToAuthenticate",
        "FailedToAuthenticateAtCsms",
        "CsmsFailedToAuthenticate",
        "InvalidCentralSystemCertificate",
        "InvalidCsmsCertificate",
        "InvalidChargePointCertificate",
        "InvalidChargingStationCertificate",
        "InvalidFirmwareSignature",
        "InvalidFirmwareSigningCertificate",
        "InvalidMessages",
        "InvalidTLSCipherSuite",
        "InvalidTLSVersion",
        "MemoryExhaustion",
        "ReconfigurationOfSecurityParameters",
        "SecurityLogWasCleared",
        "TamperDetectionActivated",
    }
)


def needs_attention(event_type: str) -> bool:
    """True for an event an operator should look at."""
    return event_type in _ALARMING
