"""What a person reads on a page."""

import re
from html import unescape

from django.http import HttpResponse


def text(response: HttpResponse) -> str:
    """The page as it was sent, with plain spaces."""
    return unescape(response.content.decode()).replace("\N{NO-BREAK SPACE}", " ")


def words(response: HttpResponse) -> str:
    """Its words alone, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text(response)))
