import pytest

from feature_store.errors import UnknownFeature, UnknownView
from feature_store.selection import selected
from feature_store.views import FEATURE_SETS, VIEWS, view_named


def meant(names):
    return [(selection.view.name, selection.features) for selection in selected(names)]


def test_a_feature_set_a_view_and_a_list_of_one_mean_the_same():
    assert meant("fraud") == meant("card_spending") == meant(["fraud"]) == [("card_spending", None)]


def test_every_feature_set_is_made_of_features_that_are_declared():
    assert all(selected(name) for name in FEATURE_SETS)


def test_features_of_one_view_come_together_in_the_order_asked_for_and_once():
    asked = ["card_spending:is_night", "price", "card_spending:amount", "card_spending:is_night"]

    assert meant(asked) == [("card_spending", ("is_night", "amount")), ("equity_daily", None)]


def test_a_view_that_is_asked_for_whole_takes_its_single_features_in():
    assert meant(["card_spending:amount", "fraud"]) == meant(["fraud", "card_spending:amount"]) == meant("fraud")


def test_an_unknown_name_is_refused_with_the_nearest_of_all_kinds_of_name():
    with pytest.raises(
        UnknownView, match=r"'forcast'; did you mean 'forecast'\? There are: fraud, .*, ledger_monthly$"
    ):
        selected("forcast")
    with pytest.raises(UnknownView, match="'card_spendin'; did you mean 'card_spending'"):
        selected("card_spendin:amount")
    with pytest.raises(UnknownView, match="no features are asked for; there are: fraud"):
        selected([])


def test_an_unknown_feature_is_refused_with_the_nearest_of_its_view():
    with pytest.raises(UnknownFeature, match="card_spending has no feature called 'ammount'; did you mean 'amount'"):
        selected("card_spending:ammount")


def test_a_name_like_no_other_is_refused_without_a_guess():
    with pytest.raises(UnknownView, match=f"'zzz'; there are: {', '.join(VIEWS)}"):
        view_named("zzz")


def test_a_feature_that_the_data_names_is_checked_against_a_version():
    (selection,) = selected("credit_application:income")

    assert selection.of(("purpose", "income")) == ("income",)
    with pytest.raises(UnknownFeature, match="'income'; there are: purpose"):
        selection.of(("purpose",))
