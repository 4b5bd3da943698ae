"""Refusals of the gateway; each sentence tells the person what to do."""

from django.utils.translation import gettext_lazy as _

from common.errors import BadInput, Refused


class CommandNotValid(BadInput):
    code = "command_not_valid"
    sentence = _("The charge point would not understand this command. Check its content.")


class ReportAlreadyResolved(Refused):
    code = "report_already_resolved"
    sentence = _("Somebody has already decided about this report. Reload the page to see what was decided.")
