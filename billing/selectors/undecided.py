"""Sessions whose price is still to come: what they reserved and may draw is theirs until they are decided."""

from django.db.models import Q, QuerySet

from billing.models import ChargingSession

Status = ChargingSession.Status
Outcome = ChargingSession.Outcome


def undecided_sessions() -> QuerySet[ChargingSession]:
    """Requested or running sessions, and ended ones that are not settled yet or in review."""
    return ChargingSession.objects.filter(
        Q(status__in=[Status.REQUESTED, Status.ACTIVE, Status.FINISHING])
        | Q(status=Status.ENDED, outcome__in=[Outcome.PENDING, Outcome.IN_REVIEW])
    )
