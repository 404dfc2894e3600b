"""A book as bytes: it comes back whole, or not at all."""

import io
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from app.markets import load_market
from app.stored_book import build_stored, from_bytes, to_bytes
from engine.models import find_model
from tests.stores import add_market, memory_store


def build(model="turnover", closing="proportional"):
    """Return a book, its market and what it assumes."""
    with memory_store() as store:
        add_market(store, "binance", seed=1)
        (market,) = store.markets()
        assumed = find_model(model, closing=closing)
        bars = store.bars("binance", "BTCUSDT", market.first, market.last)
        stored = build_stored(load_market(store, bars), assumed)
    return stored, market, assumed.parameters


@pytest.fixture(scope="module")
def known():
    """Return a book, its market and what it assumes."""
    return build()


@pytest.fixture(scope="module")
def content(known):
    return to_bytes(known[0])


def arrays_of(content):
    with np.load(io.BytesIO(content)) as arrays:
        return {name: arrays[name] for name in arrays.files}


def bytes_of(arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


NAMES = (
    "bars_entry", "bars_levered", "bars_gap", "bars_regime", "candles_open_time", "candles_close",
    "closings_bar", "closings_level", "closings_size", "death", "interval", "last", "last_stop",
    "ledger_epoch", "ledger_opened", "open_interest", "tiers_base", "tiers_point", "tiers_weight",
)  # fmt: skip


@pytest.mark.parametrize("model", ["turnover", "time-evolving"])
@pytest.mark.parametrize("closing", ["proportional", "nearest", "none"])
def test_a_book_comes_back(model, closing):
    stored, market, parameters = build(model, closing)
    again = from_bytes(to_bytes(stored), market, parameters)
    before, after = arrays_of(to_bytes(stored)), arrays_of(to_bytes(again))
    assert before.keys() == after.keys()
    for name, array in before.items():
        assert_array_equal(after[name], array)
        assert after[name].dtype == array.dtype
    assert again.book.last == stored.book.last


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        lambda array: None,
        lambda array: array[..., None],
        lambda array: array.astype(str),
        lambda array: array.astype("complex64") if array.dtype.kind != "M" else array.astype("i8"),
        lambda array: np.append(array, array.ravel()[:1] if array.size else np.zeros(1)),
        lambda array: array.ravel()[: array.size // 2] if array.size else array.astype("f2"),
    ],
    ids=["gone", "another axis", "text", "other numbers", "longer", "shorter"],
)
def test_other_arrays_are_a_miss_that_is_logged(known, content, name, change, caplog):
    _, market, parameters = known
    arrays = arrays_of(content)
    changed = change(arrays.pop(name))
    if changed is not None:
        arrays[name] = changed
    with caplog.at_level(logging.WARNING):
        assert from_bytes(bytes_of(arrays), market, parameters) is None
    assert "A cached book of BTCUSDT is damaged and is built anew" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"), [("bars_regime", -1), ("bars_regime", 10**6), ("interval", 0)]
)
def test_places_that_there_are_not_are_a_miss(known, content, name, value):
    _, market, parameters = known
    arrays = arrays_of(content)
    arrays[name] = arrays[name].copy()
    arrays[name][...] = value
    assert from_bytes(bytes_of(arrays), market, parameters) is None


@pytest.mark.parametrize("level", [-1, 10**9])
def test_closings_of_levels_that_there_are_not_are_a_miss(known, content, level):
    _, market, parameters = known
    arrays = arrays_of(content)
    arrays |= {
        "closings_bar": np.zeros(1, np.int32),
        "closings_level": np.array([level], np.int64),
        "closings_size": np.zeros(1),
    }
    assert from_bytes(bytes_of(arrays), market, parameters) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", b"\x80\x04N.", b"text"])
def test_what_is_no_book_is_a_miss(known, content):
    _, market, parameters = known
    assert from_bytes(content, market, parameters) is None


def test_a_single_array_is_a_miss(known):
    _, market, parameters = known
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    assert from_bytes(file.getvalue(), market, parameters) is None


def test_a_pickle_among_the_arrays_is_not_run(known, content):
    _, market, parameters = known
    arrays = arrays_of(content)

    class Boom:
        def __reduce__(self):
            return pytest.fail, ("a pickle was run",)

    arrays["last"] = np.array([Boom()], dtype=object)
    assert from_bytes(bytes_of(arrays), market, parameters) is None


@given(cut=st.integers(0, 2**40), place=st.integers(0, 2**40), bit=st.integers(0, 7))
def test_flipped_bits_and_lost_ends_raise_nothing(known, content, cut, place, bit):
    _, market, parameters = known
    damaged = bytearray(content[: len(content) - cut % 1000])
    damaged[place % len(damaged)] ^= 1 << bit
    from_bytes(bytes(damaged), market, parameters)
