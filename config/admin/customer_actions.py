"""What an operator may do for a customer. Each asks for a reason, says what will happen, and leaves an AuditEvent."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from djmoney.money import Money

from accounts.models import ContractType, Driver, Token
from accounts.portal import AuditedAdmin
from accounts.services.contracts import change_contract
from accounts.services.standing import set_driver_status
from accounts.services.tokens import add_rfid_token, set_token_status
from accounts.words import contract_sentences
from billing.models import WalletLot
from billing.selectors.wallets import wallet_of
from billing.services.bulk_credits import end_of_day
from billing.services.wallet_closing import close_wallet, preview_closing
from billing.services.wallets import adjust_wallet, credit_wallet
from common.confirmation import ActionForm, confirmed_action
from common.portal_values import show_amount, show_money
from config.admin.customer_forms import ContractForm, TokenForm, TopUpForm, WalletForm
from config.admin.customer_page import current_contract
from config.wallet_statement import statement_file


class DriverActions(AuditedAdmin):
    """The action pages of a driver, under the driver's address."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.action_page("top-up", self.top_up_view),
            self.action_page("adjust", self.adjust_view),
            self.action_page("statement", self.statement_view),
            self.action_page("close-wallet", self.close_wallet_view),
            self.action_page("contract", self.contract_view),
            self.action_page("status", self.status_view),
            self.action_page("token", self.token_view),
            path(
                "<int:object_id>/token/<int:token_id>/status/",
                self.admin_site.admin_view(self.token_status_view),
                name="accounts_driver_token_status",
            ),
            *super().get_urls(),
        ]

    def address_of(self, driver: Driver, page: str = "change", tab: str = "") -> str:
        address = reverse(f"admin:accounts_driver_{page}", args=[driver.pk])
        return f"{address}?tab={tab}" if tab else address

    def top_up_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Add money to a wallet: the one way for a driver whose contract does not let them top up themselves."""
        driver: Driver = self.row_for(request, object_id, "billing.add_walletlot")
        currency = _currency_of(driver)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            balance = wallet_of(driver.pk).balance
            amount = Money(cleaned["amount"], currency)
            sentences = [
                _("%(amount)s is added to the wallet of %(driver)s.")
                % {"amount": show_money(amount), "driver": driver},
                _("The balance goes from %(before)s to %(after)s.")
                % {"before": show_money(balance), "after": show_money(balance + amount)},
            ]
            if cleaned["kind"] == WalletLot.Kind.PROMO:
                sentences.append(_("It is a gift of the operator: spent before paid-in money and never paid out."))
            if cleaned["expires_on"]:
                sentences.append(_("It expires after %(date)s.") % {"date": date_format(cleaned["expires_on"])})
            return [*sentences, _reason_sentence(cleaned)]

        def perform(cleaned: dict[str, Any]) -> str:
            is_gift = cleaned["kind"] == WalletLot.Kind.PROMO
            amount = Money(cleaned["amount"], currency)
            credit_wallet(
                driver_id=driver.pk,
                amount=amount,
                kind=cleaned["kind"],
                origin=WalletLot.Origin.GIFT if is_gift else WalletLot.Origin.OPERATOR,
                reason=cleaned["reason"],
                idempotency_key=f"operator:top-up:{cleaned['key']}",
                actor_id=request.user.pk,
                expires_at=end_of_day(cleaned["expires_on"]) if cleaned["expires_on"] else None,
            )
            return _("%(amount)s was added to the wallet.") % {"amount": show_money(amount)}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Top up the wallet of %(driver)s") % {"driver": driver},
            submit=_("Add the money"),
            form_class=TopUpForm,
            form_options={"currency": currency},
            back_url=self.address_of(driver, tab="wallet"),
            describe=describe,
            perform=perform,
        )

    def adjust_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Take money out of a wallet, as a correction."""
        driver: Driver = self.row_for(request, object_id, "billing.change_walletlot")
        currency = _currency_of(driver)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            balance = wallet_of(driver.pk).balance
            amount = Money(cleaned["amount"], currency)
            return [
                _("%(amount)s is taken out of the wallet of %(driver)s.")
                % {"amount": show_money(amount), "driver": driver},
                _("The balance goes from %(before)s to %(after)s.")
                % {"before": show_money(balance), "after": show_money(balance - amount)},
                _reason_sentence(cleaned),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            amount = Money(cleaned["amount"], currency)
            adjust_wallet(
                driver_id=driver.pk,
                amount=amount,
                reason=cleaned["reason"],
                idempotency_key=f"operator:adjust:{cleaned['key']}",
                actor_id=request.user.pk,
            )
            return _("%(amount)s was taken out of the wallet.") % {"amount": show_money(amount)}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Take money out of the wallet of %(driver)s") % {"driver": driver},
            intro=_("For corrections. Reserved money cannot be taken out."),
            submit=_("Take the money out"),
            form_class=WalletForm,
            form_options={"currency": currency},
            back_url=self.address_of(driver, tab="wallet"),
            describe=describe,
            perform=perform,
        )

    def close_wallet_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give back what is left of a wallet."""
        driver: Driver = self.row_for(request, object_id, "billing.change_walletlot")
        currency = _currency_of(driver)

        def describe(cleaned: dict[str, Any]) -> list[str]:
            plan = preview_closing(driver_id=driver.pk, currency=currency)
            sentences = [
                _("%(amount)s of the top-up of %(date)s goes back to %(card)s.")
                % {
                    "amount": show_amount(part, currency),
                    "date": date_format(payment.created_at, "DATE_FORMAT"),
                    "card": payment.method or _("its card"),
                }
                for payment, part in plan.to_cards
            ]
            if plan.by_hand:
                sentences.append(
                    _("%(amount)s came from no card: pay it out by bank transfer or at the desk.")
                    % {"amount": show_amount(plan.by_hand, currency)}
                )
            if plan.forfeited:
                sentences.append(
                    _("%(amount)s of gifts and promotional credit is forfeited.")
                    % {"amount": show_amount(plan.forfeited, currency)}
                )
            return [*sentences, _("The wallet is empty afterwards."), _reason_sentence(cleaned)]

        def perform(cleaned: dict[str, Any]) -> str:
            close_wallet(
                driver_id=driver.pk,
                currency=currency,
                reason=cleaned["reason"],
                idempotency_key=f"operator:close:{cleaned['key']}",
                actor_id=request.user.pk,
            )
            return _("The wallet is empty. What goes back to a card is on its way.")

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Close the wallet of %(driver)s") % {"driver": driver},
            intro=_("Money topped up by card goes back to that card; gifts are forfeited."),
            submit=_("Close the wallet"),
            form_class=ActionForm,
            back_url=self.address_of(driver, tab="wallet"),
            describe=describe,
            perform=perform,
        )

    def statement_view(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """The whole statement of the wallet as CSV, as its driver gets it."""
        driver: Driver = self.row_for(request, object_id, "billing.view_walletlot")
        return statement_file(driver.pk)

    def contract_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Put the driver on another contract type, now. The balance stays."""
        driver: Driver = self.row_for(request, object_id, "accounts.add_contract")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            contract = current_contract(driver)
            new_type: ContractType = cleaned["contract_type"]
            balance = wallet_of(driver.pk).balance
            change = (
                _("%(driver)s changes from “%(old)s” to “%(new)s” now.")
                if contract
                else _("%(driver)s gets “%(new)s” now, as a first contract.")
            )
            return [
                change % {"driver": driver, "old": contract and contract.contract_type, "new": new_type},
                *contract_sentences(new_type),
                _("The wallet balance of %(balance)s is kept.") % {"balance": show_money(balance)},
                _("A running session finishes on the contract it began with."),
                _reason_sentence(cleaned),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            contract = change_contract(
                driver_id=driver.pk,
                contract_type_id=cleaned["contract_type"].pk,
                actor_id=request.user.pk,
                reason=cleaned["reason"],
            )
            return _("The contract is now “%(contract)s”.") % {"contract": contract.contract_type}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Change the contract of %(driver)s") % {"driver": driver},
            submit=_("Change the contract"),
            form_class=ContractForm,
            back_url=self.address_of(driver),
            describe=describe,
            perform=perform,
        )

    def status_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Block a driver, or unblock them."""
        driver: Driver = self.row_for(request, object_id, "accounts.change_driver")
        is_blocked = driver.status == Driver.Status.BLOCKED
        target = Driver.Status.ACTIVE if is_blocked else Driver.Status.BLOCKED

        def describe(cleaned: dict[str, Any]) -> list[str]:
            if is_blocked:
                first = _("%(driver)s may charge again, with every token that is not blocked itself.")
            else:
                first = _("%(driver)s cannot start a session any more, with any token. A running session goes on.")
            return [first % {"driver": driver}, _reason_sentence(cleaned)]

        def perform(cleaned: dict[str, Any]) -> str:
            set_driver_status(driver_id=driver.pk, status=target, actor_id=request.user.pk, reason=cleaned["reason"])
            return _("The customer is unblocked.") if is_blocked else _("The customer is blocked.")

        title = _("Unblock %(driver)s") if is_blocked else _("Block %(driver)s")
        return confirmed_action(
            request,
            model_admin=self,
            title=title % {"driver": driver},
            submit=_("Unblock") if is_blocked else _("Block"),
            form_class=ActionForm,
            back_url=self.address_of(driver),
            describe=describe,
            perform=perform,
        )

    def token_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Give the driver an RFID card."""
        driver: Driver = self.row_for(request, object_id, "accounts.add_token")

        def describe(cleaned: dict[str, Any]) -> list[str]:
            return [
                _("The card %(id_tag)s is given to %(driver)s and works at once.")
                % {"id_tag": cleaned["id_tag"], "driver": driver},
                _reason_sentence(cleaned),
            ]

        def perform(cleaned: dict[str, Any]) -> str:
            token = add_rfid_token(
                driver_id=driver.pk, id_tag=cleaned["id_tag"], label=cleaned["label"], actor_id=request.user.pk
            )
            return _("The card %(token)s was added.") % {"token": token}

        return confirmed_action(
            request,
            model_admin=self,
            title=_("Give %(driver)s an RFID card") % {"driver": driver},
            submit=_("Add the card"),
            form_class=TokenForm,
            back_url=self.address_of(driver, tab="means"),
            describe=describe,
            perform=perform,
        )

    def token_status_view(self, request: HttpRequest, object_id: int, token_id: int) -> HttpResponse:
        """Block one token, or unblock it."""
        driver: Driver = self.row_for(request, object_id, "accounts.change_token")
        token = driver.tokens.filter(pk=token_id).first()
        if token is None:
            raise Http404
        is_blocked = token.status == Token.Status.BLOCKED
        target = Token.Status.ACTIVE if is_blocked else Token.Status.BLOCKED

        def describe(cleaned: dict[str, Any]) -> list[str]:
            first = _("“%(token)s” works again.") if is_blocked else _("“%(token)s” no longer starts a session.")
            return [first % {"token": token}, _reason_sentence(cleaned)]

        def perform(cleaned: dict[str, Any]) -> str:
            set_token_status(token_id=token.pk, status=target, actor_id=request.user.pk, reason=cleaned["reason"])
            return _("The token is unblocked.") if is_blocked else _("The token is blocked.")

        title = _("Unblock “%(token)s”") if is_blocked else _("Block “%(token)s”")
        return confirmed_action(
            request,
            model_admin=self,
            title=title % {"token": token},
            submit=_("Unblock") if is_blocked else _("Block"),
            form_class=ActionForm,
            back_url=self.address_of(driver, tab="means"),
            describe=describe,
            perform=perform,
        )


def _currency_of(driver: Driver) -> str:
    return str(wallet_of(driver.pk).balance.currency)


def _reason_sentence(cleaned: dict[str, Any]) -> str:
    return _("Reason: %(reason)s") % {"reason": cleaned["reason"]}


def _balance_sentence(before: Money, after: Money) -> str:
    return _("The balance goes from %(before)s to %(after)s.") % {
        "before": show_money(before),
        "after": show_money(after),
    }
