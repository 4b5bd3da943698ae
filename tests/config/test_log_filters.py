"""The logs keep nothing that opens somebody's session."""

import logging


def logged(address: str) -> bool:
    """Whether the line uvicorn writes when a socket opens would be kept."""
    logger = logging.getLogger("uvicorn.error")
    message, values = '%s - "WebSocket %s" [accepted]', ("127.0.0.1:1", address)
    return bool(logger.filter(logging.LogRecord(logger.name, logging.INFO, "", 1, message, values, None)))


def test_links_of_sessions_without_an_account_are_not_logged() -> None:
    assert not logged("/live/ad-hoc/somebody.elses/?language=en")
    assert logged("/ocpp/BERLIN-01")
