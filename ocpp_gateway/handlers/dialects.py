"""The versions spoken here, by subprotocol, best first."""

from collections.abc import Mapping
from typing import Final

from ocpp_gateway.handlers.dialect import Dialect
from ocpp_gateway.handlers.v16 import DIALECT_16
from ocpp_gateway.handlers.v201 import DIALECT_201

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.subprotocol: dialect for dialect in (DIALECT_201, DIALECT_16)}
