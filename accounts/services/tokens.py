"""Tokens are issued, blocked and unblocked."""

from django.db import IntegrityError, transaction

from accounts.errors import TokenTaken
from accounts.models import Token
from accounts.services import audit
from common.ids import new_code
from common.locking import lock_row
from common.states import check_step


@transaction.atomic
def issue_app_token(*, driver_id: int) -> Token:
    """The token a driver's remote starts carry. One per driver; asked again, the first is returned."""
    token = Token.objects.filter(driver_id=driver_id, kind=Token.Kind.APP).first()
    if token is None:
        # 20 characters is the longest id tag OCPP 1.6 carries.
        token = Token.objects.create(driver_id=driver_id, kind=Token.Kind.APP, id_tag=f"APP{new_code(17)}", label="App")
    return token


@transaction.atomic
def add_rfid_token(*, driver_id: int, id_tag: str, label: str = "", actor_id: int | None = None) -> Token:
    """Give a driver an RFID card. Raises TokenTaken when the card is known already, whoever has it."""
    try:
        with transaction.atomic():
            token = Token.objects.create(driver_id=driver_id, id_tag=id_tag.strip(), label=label)
    except IntegrityError as error:
        raise TokenTaken from error
    audit.record(actor_id=actor_id, action="token_added", subject=token.driver, data={"token": token.pk})
    return token


@transaction.atomic
def set_token_status(*, token_id: int, status: str, actor_id: int | None = None, reason: str = "") -> Token:
    """Block or unblock a token; a repeat changes nothing. Locks: the token's row."""
    token = lock_row(Token.objects.filter(pk=token_id))
    if check_step(Token.TRANSITIONS, token.status, status):
        token.status = status
        token.save(update_fields=["status"])
        audit.record(
            actor_id=actor_id, action=f"token_{status}", subject=token.driver, reason=reason, data={"token": token.pk}
        )
    return token
