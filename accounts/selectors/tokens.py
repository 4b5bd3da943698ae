"""Finding whose a presented id tag is."""

from accounts.models import Token


def find_token(id_tag: str) -> Token | None:
    """The token with this id tag, case-insensitively (OCPP 1.6 CiString), with its driver; None when unknown."""
    tag = id_tag.strip()
    if not tag:
        return None
    return Token.objects.filter(id_tag__iexact=tag).select_related("driver").first()
