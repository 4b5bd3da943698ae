"""Background work about price corrections. Each may run twice or be lost: the sweep goes on where it stopped."""

from billing.models import PriceCorrection
from billing.services import correction_application, corrections


def preview_correction(correction_id: int) -> None:
    """A correction was drafted: price its sessions again."""
    corrections.preview_correction(correction_id=correction_id)


def apply_correction(correction_id: int) -> None:
    """A correction was approved: revise its sessions and give back the difference."""
    correction_application.apply_correction(correction_id=correction_id)


def sweep_corrections() -> int:
    """Go on with what was queued and lost, or could not be done yet."""
    drafts = list(PriceCorrection.objects.filter(state=PriceCorrection.State.DRAFT).values_list("pk", flat=True))
    for correction_id in drafts:
        corrections.preview_correction(correction_id=correction_id)
    return len(drafts) + correction_application.apply_approved()


SCHEDULES = [("Price corrections: preview, apply", "billing.correction_tasks.sweep_corrections", 10)]
