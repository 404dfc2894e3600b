import numpy as np
import pytest

from components.formats import (
    percent,
    price_digits,
    price_text,
    signed_percent,
    time_text,
    usd,
)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "$0"),
        (999.4, "$999"),
        (999.6, "$1.0k"),
        (1_200_000.0, "$1.2M"),
        (340_000.0, "$340k"),
        (999_960.0, "$1.0M"),
        (99_960_000.0, "$100M"),
        (2.34e9, "$2.3B"),
        (-5_500.0, "−$5.5k"),
        (float("nan"), "–"),
    ],
)
def test_dollars_take_three_or_four_characters(amount, text):
    assert usd(amount) == text


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (62_345.14, "62,345.1"),
        (3_123.456, "3,123.46"),
        (142.1, "142.10"),
        (2.34567, "2.3457"),
        (0.12345, "0.12345"),
        (0.000012345, "0.000012345"),
        (float("inf"), "–"),
    ],
)
def test_a_price_has_the_decimals_it_is_quoted_with(price, text):
    assert price_text(price) == text


def test_a_price_that_is_none_has_two_decimals():
    assert price_digits(0.0) == 2


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0125, "+1.25%"), (-0.004, "−0.40%"), (-0.000001, "0.00%"), (float("nan"), "–")],
)
def test_a_distance_has_its_sign(share, text):
    assert signed_percent(share) == text


def test_a_share_is_a_percentage():
    assert percent(0.625) == "62.5%"
    assert percent(float("nan")) == "–"


def test_a_time_is_to_the_minute():
    assert time_text(np.datetime64("2026-02-05T14:35:59.5", "us")) == "2026-02-05 14:35"
