import pytest

from engine.profiles import PROFILES, LeverageProfile, parse_profile


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_named_profiles_are_distributions(profile):
    assert sum(profile.weight) == pytest.approx(1.0)
    assert parse_profile(str(profile)).leverage == profile.leverage


def test_hot_is_one_two_four():
    assert PROFILES["hot"].weight == pytest.approx((1 / 7, 2 / 7, 4 / 7))


def test_leverages_above_the_exchange_are_dropped_and_the_rest_rescaled():
    # classic without 50x and 100x: .15 + .30 + .25 = .70
    limited = PROFILES["classic"].up_to(40)
    assert limited.leverage == (5, 10, 25)
    assert limited.weight == pytest.approx((0.15 / 0.7, 0.30 / 0.7, 0.25 / 0.7))


def test_custom_weights_are_scaled():
    profile = parse_profile("50x:1, 10x:3")
    assert profile == LeverageProfile("custom", (10.0, 50.0), (0.75, 0.25))


@pytest.mark.parametrize(
    "text", ["", "warm", "10", "10:a", "10:-1,5:2", "0.5:1", "10:nan", "10:0", "inf:1"]
)
def test_what_is_no_profile_is_refused(text):
    with pytest.raises(ValueError, match=r"profile|weights|leverage"):
        parse_profile(text)


@pytest.mark.parametrize(
    "text", [",".join(f"{1 + k / 100}:1" for k in range(151)), "10:1" + 5000 * "0"]
)
def test_an_endless_profile_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="has at most 150 leverages, but has") as refused:
        parse_profile(text)
    assert len(str(refused.value)) < 100


def test_a_profile_of_the_most_leverages_is_one():
    assert len(parse_profile(",".join(f"{1 + k / 10}:1" for k in range(150))).leverage) == 150


def test_exchange_below_all_leverages_is_refused():
    with pytest.raises(ValueError, match="nothing at or below the exchange's 20x"):
        PROFILES["hot"].up_to(20)
