"""What a person reads on a page."""

import re
from html import unescape
from typing import Any


def text(response: Any) -> str:
    """The page as it was sent, with plain spaces."""
    return unescape(response.content.decode()).replace("\N{NO-BREAK SPACE}", " ")


def words(response: Any) -> str:
    """Its words alone, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text(response)))
