import pytest

from components.contrast import contrast_ratio, luminance, rgb, rgba


def test_black_on_white_is_21_to_1():
    assert contrast_ratio("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast_ratio("#ffffff", "#000000") == pytest.approx(21.0)


def test_a_colour_does_not_stand_out_from_itself():
    assert contrast_ratio("#297090", "#297090") == 1.0


def test_luminance_of_a_mid_grey():
    # (119/255 = 0.46667; ((0.46667 + 0.055) / 1.055)^2.4 = 0.18447)
    assert luminance("#777777") == pytest.approx(0.18447, abs=1e-5)


def test_colours_are_taken_apart_and_put_together():
    assert rgb("#0a10ff") == (10, 16, 255)
    assert rgba("#0a10ff", 0.5) == "rgba(10,16,255,0.5)"


@pytest.mark.parametrize("colour", ["red", "#fff", "123456#"])
def test_a_colour_of_another_form_is_refused(colour):
    with pytest.raises(ValueError, match="written #rrggbb"):
        rgb(colour)
