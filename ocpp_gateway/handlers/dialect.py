"""One version of OCPP as the gateway sees it: what it checks, who handles it, how errors are spelled.

The gateway and the consumer know this shape and no version's names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ocpp_gateway.domain.defects import Checked, Refusal
from ocpp_gateway.handlers.replies import Reply
from ocpp_gateway.services.admission import Station

Payload = dict[str, Any]
Handler = Callable[[Station, Payload, datetime], Reply]


class Park(Protocol):
    def __call__(
        self, action: str, station: Station, payload: Payload, received_at: datetime, *, reason: str
    ) -> Reply: ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """`handlers` run in a database thread; `immediate_handlers` need no database.

    `transaction_actions` are parked when they cannot be carried out; `remembered_actions` are those whose answer does
    not age, so that a repeat under the same message id gets the stored one. `sign_of_life` is a request every station
    must answer. `error_names` respells our error codes (domain.frames.ErrorCode) where this version differs;
    `answers_malformed`: what is no message is answered with a CALLERROR under the message id "-1".
    """

    subprotocol: str
    version: str
    check_payload: Callable[[str, Payload], Checked | Refusal]
    handlers: Mapping[str, Handler]
    immediate_handlers: Mapping[str, Handler]
    transaction_actions: frozenset[str]
    remembered_actions: frozenset[str]
    park: Park
    answer_without_effect: Callable[[str, Station, Payload, datetime], Reply]
    sign_of_life: tuple[str, Payload]
    error_names: Mapping[str, str] = field(default_factory=dict)
    answers_malformed: bool = False

    def knows(self, action: str) -> bool:
        return action in self.handlers or action in self.immediate_handlers
