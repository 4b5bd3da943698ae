"""Otto credits many wallets at once, by file or selection: each row once, every defect named, nothing half done."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Driver
from billing.models import WalletLot
from billing.services.bulk_credits import apply_credits, read_credits
from common.errors import BadInput
from tests.billing.wallets.world import balance, broken, lots, wallet_driver
from tests.factories import StaffFactory, UserFactory

pytestmark = pytest.mark.django_db

HEADING = "reference,customer,amount,currency,kind,expires_on,reason\n"
PAGE = "admin:accounts_driver_top_up_file"


@pytest.fixture
def ada() -> Driver:
    return wallet_driver()


@pytest.fixture
def hana() -> Driver:
    return wallet_driver()


def good_file(ada: Driver, hana: Driver) -> str:
    return (
        HEADING
        + f"nov-1,{ada.email.upper()},12.50,EUR,cash,,paid at the desk\n"
        + f"nov-2,{hana.public_id},5.00,EUR,gift,2099-12-31,goodwill\n"
    )


class TestReading:
    def test_a_good_file_credits_each_row(self, ada: Driver, hana: Driver) -> None:
        otto = StaffFactory()
        results = apply_credits(read_credits(good_file(ada, hana)), actor_id=otto.pk)
        assert [(result.row.line, result.refusal) for result in results] == [(2, ""), (3, "")]
        assert (lots(ada), lots(hana)) == (
            [("cash", "operator", Decimal("12.50"))],
            [("promo", "gift", Decimal("5.00"))],
        )
        # The end of the last day in Berlin.
        assert WalletLot.objects.get(kind="promo").expires_at == datetime(2099, 12, 31, 22, 59, 59, tzinfo=UTC)
        trail = AuditEvent.objects.filter(action="wallet_credited").order_by("pk").values_list("actor", "reason")
        assert list(trail) == [(otto.pk, "paid at the desk"), (otto.pk, "goodwill")]
        assert broken() == []

    def test_a_repeat_of_the_file_credits_nobody_twice_and_a_longer_one_only_what_is_new(
        self, ada: Driver, hana: Driver
    ) -> None:
        otto = StaffFactory()
        rows = read_credits(good_file(ada, hana))
        apply_credits(rows, actor_id=otto.pk)
        apply_credits(rows, actor_id=otto.pk)
        longer = read_credits(good_file(ada, hana) + f"nov-3,{ada.email},1.00,EUR,cash,,late\n")
        assert [row.was_credited for row in longer] == [True, True, False]
        apply_credits(longer, actor_id=otto.pk)
        assert (balance(ada), balance(hana)) == (Decimal("13.50"), Decimal("5.00"))

    def test_a_reference_used_with_other_terms_is_a_defect(self, ada: Driver, hana: Driver) -> None:
        apply_credits(read_credits(good_file(ada, hana)), actor_id=StaffFactory().pk)
        with pytest.raises(BadInput) as refused:
            read_credits(good_file(ada, hana).replace("12.50", "99.00"))
        assert refused.value.details == ("Line 2: the reference nov-1 was used before, with other terms.",)
        assert balance(ada) == Decimal("12.50")

    def test_every_defect_is_named_by_its_line(self, ada: Driver) -> None:
        text = (
            HEADING
            + "a,nobody@example.org,5,EUR,cash,,x\n"
            + f"b,{ada.email},5.001,EUR,cash,2099-01-01,x\n"
            + f"b,{ada.email},ten,EUR,loan,soon,\n"
            + f"c c,{ada.email},NaN,SEK,gift,2001-01-01,x,more\n"
        )
        with pytest.raises(BadInput) as refused:
            read_credits(text)
        assert sorted(refused.value.details) == sorted(
            [
                "Line 2: no customer is called “nobody@example.org”.",
                "Line 3: “5.001” EUR is no amount; write it like 12.50.",
                "Line 3: paid-in money never expires; leave expires_on empty.",
                "Line 4: the reference is that of line 3.",
                "Line 4: “ten” EUR is no amount; write it like 12.50.",
                "Line 4: kind is “cash” or “gift”.",
                "Line 4: “soon” is no day; write it like 2027-12-31.",
                "Line 4: a reason of at most 200 characters is needed.",
                "Line 5: has more cells than the heading.",
                "Line 5: a reference of up to 60 letters, digits and . _ : / - is needed.",
                "Line 5: “NaN” SEK is no amount; write it like 12.50.",
                "Line 5: the wallet is kept in EUR.",
                "Line 5: the day 2001-01-01 has passed.",
            ]
        )
        assert not WalletLot.objects.exists()

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("customer,amount\n", "The heading lacks: reference, currency, kind, reason."),
            ("", "The heading lacks: reference, customer, amount, currency, kind, reason."),
            (HEADING, "The file needs between 1 and 2000 rows."),
        ],
    )
    def test_a_file_of_another_form(self, text: str, complaint: str) -> None:
        with pytest.raises(BadInput) as refused:
            read_credits(text)
        assert refused.value.details == (complaint,)

    @pytest.mark.parametrize("rows", [1, 40])
    def test_any_number_of_rows_is_read_in_three_queries(
        self, ada: Driver, rows: int, django_assert_num_queries
    ) -> None:
        text = HEADING + "".join(f"r-{number},{ada.email},1.00,EUR,cash,,x\n" for number in range(rows))
        with django_assert_num_queries(3):
            read_credits(text)


class TestPages:
    @pytest.fixture
    def otto(self) -> Client:
        browser = Client()
        browser.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")
        return browser

    def test_a_file_is_previewed_then_carried_out(self, ada: Driver, hana: Driver, otto: Client) -> None:
        text = good_file(ada, hana)
        page = otto.post(reverse(PAGE), {"file": SimpleUploadedFile("november.csv", text.encode())})
        assert "Adds it" in page.content.decode()
        assert not WalletLot.objects.exists()

        done = otto.post(reverse(PAGE), {"content": page.context["content"], "confirmed": "1"}).content.decode()
        again = otto.post(reverse(PAGE), {"content": page.context["content"], "confirmed": "1"}).content.decode()

        assert done.count("Credited") == 2
        assert again.count("Was credited before") == 2
        assert (balance(ada), balance(hana)) == (Decimal("12.50"), Decimal("5.00"))

    def test_a_bad_file_shows_its_defects(self, ada: Driver, otto: Client) -> None:
        page = otto.post(reverse(PAGE), {"file": SimpleUploadedFile("bad.csv", b"customer\n\xff")})
        assert "The file is not UTF-8 text." in page.content.decode()
        forged = otto.post(reverse(PAGE), {"content": "customer\n", "confirmed": "1"})
        assert "The heading lacks" in forged.content.decode()
        assert not WalletLot.objects.exists()

    def test_a_selection_gets_the_same_each_once(self, ada: Driver, hana: Driver, otto: Client) -> None:
        chosen = otto.post(
            reverse("admin:accounts_driver_changelist"),
            {"action": "top_up_selected", "_selected_action": [ada.pk, hana.pk]},
        )
        form = {
            "key": "4b1b2f1e-7c1e-4a63-9df6-0a4f4f1b7a10",
            "drivers": f"{ada.pk}-{hana.pk}",
            "amount": "3.00",
            "kind": "promo",
            "expires_on": "2099-12-31",
            "reason": "thank you",
        }
        address = reverse("admin:accounts_driver_top_up_selected")
        assert chosen.headers["Location"] == f"{address}?drivers={ada.pk}-{hana.pk}"
        assert "Top up 2 wallets" in otto.get(chosen.headers["Location"]).content.decode()
        assert "6.00" in otto.post(address, form).content.decode()
        assert not WalletLot.objects.exists()
        for _time in range(2):
            assert otto.post(address, {**form, "confirmed": "1"}).content.decode().count("Credited") == 2
        assert (lots(ada), lots(hana)) == ([("promo", "gift", Decimal("3.00"))],) * 2

    def test_who_may_not_credit_sees_neither_page(self, ada: Driver) -> None:
        browser = Client()
        browser.force_login(UserFactory(is_staff=True), backend="django.contrib.auth.backends.ModelBackend")
        for name in (PAGE, "admin:accounts_driver_top_up_selected"):
            assert browser.get(reverse(name)).status_code == 403
            assert browser.post(reverse(name), {"confirmed": "1"}).status_code == 403
        assert not WalletLot.objects.exists()

    def test_the_statement_downloads_with_its_chain_and_no_formulas(self, ada: Driver, otto: Client) -> None:
        rows = read_credits(HEADING + f"f-1,{ada.email},1.00,EUR,cash,,=cmd()\nf-2,{ada.email},2.00,EUR,cash,,late\n")
        apply_credits(rows, actor_id=StaffFactory().pk)
        address = reverse("admin:accounts_driver_statement", args=[ada.pk])

        file = otto.get(address).getvalue().decode("utf-8-sig").splitlines()

        first, second = file[1].split(","), file[2].split(",")
        assert (first[0], first[4], Decimal(first[5]), Decimal(first[6]), first[7]) == ("1", "'=cmd()", 1, 1, "EUR")
        assert (second[0], Decimal(second[5]), Decimal(second[6])) == ("2", 2, 3)
        assert second[8] == first[9]
        nobody = Client()
        nobody.force_login(UserFactory(is_staff=True), backend="django.contrib.auth.backends.ModelBackend")
        assert nobody.get(address).status_code == 403
