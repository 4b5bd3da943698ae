"""JSON in and out without floats: numbers arrive as int or Decimal and leave as written."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from common.errors import BadInput
from config.api.problems import CONTENT_TYPE
from tariffs.domain import jsontext

LARGEST_BODY = 2_000_000


class ExactJsonParser(BaseParser):
    """Refuses, with the place, what is no JSON or names a key twice."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        text = stream.read(LARGEST_BODY + 1)
        if len(text) > LARGEST_BODY:
            raise BadInput("The body is larger than 2 MB.")
        return jsontext.loads(text)


class ExactJsonRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else jsontext.dumps(data).encode()


class ProblemRenderer(ExactJsonRenderer):
    """The same for refusals; also what a client that asks for problem documents alone is answered with."""

    media_type = CONTENT_TYPE
    format = "problem"
