"""The versions spoken here, by subprotocol, best first."""

from collections.abc import Mapping
from typing import Final

from ocpp_gateway.handlers.dialect import Dialect
from ocpp_gateway.handlers.v16 import DIALECT_16

DIALECTS: Final[Mapping[str, Dialect]] = {DIALECT_16.subprotocol: DIALECT_16}
