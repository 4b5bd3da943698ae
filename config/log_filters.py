"""What the logs are not told."""

import logging


class WithoutAdHocLinks(logging.Filter):
    """Drops what names the socket of an ad hoc session: its address is the only key to the session."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "/live/ad-hoc/" not in record.getMessage()
