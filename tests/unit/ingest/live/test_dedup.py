import pytest

from ingest.live.dedup import RecentKeys


def test_a_key_is_new_once():
    keys = RecentKeys()
    assert keys.add("a", 0.0)
    assert not keys.add("a", 1.0)
    assert keys.add("b", 1.0)


@pytest.mark.parametrize(("later", "new"), [(599.9, False), (600.0, True)])
def test_a_key_is_remembered_for_ten_minutes(later, new):
    keys = RecentKeys(window=600.0)
    keys.add("a", 1000.0)
    assert keys.add("a", 1000.0 + later) is new


def test_what_is_seen_again_is_remembered_anew():
    keys = RecentKeys(window=600.0)
    assert [keys.add("a", time) for time in (0.0, 500.0, 1000.0, 1599.0)] == [True] + 3 * [False]


def test_what_is_seen_again_keeps_nothing_else_in_memory():
    keys = RecentKeys(window=600.0, most=2)
    for key, time in (("a", 0.0), ("b", 0.0), ("a", 500.0), ("a", 1000.0)):
        keys.add(key, time)
    assert len(keys) == 1
    for key in "bac":  # of three the one goes that was not seen for longest
        keys.add(key, 1000.0)
    assert not keys.add("a", 1000.0)
    assert keys.add("b", 1000.0)


def test_memory_is_bounded_by_time():
    keys = RecentKeys(window=600.0)
    for time in range(100_000):
        keys.add(time, float(time))
    assert len(keys) == 600
    assert keys.forgotten == 0


def test_memory_is_bounded_by_number_and_the_oldest_goes_first():
    keys = RecentKeys(window=600.0, most=3)
    for key in "abcd":
        keys.add(key, 0.0)
    assert (len(keys), keys.forgotten) == (3, 1)
    assert not keys.add("d", 0.0)
    assert keys.add("a", 0.0)


def test_keys_may_be_remembered_for_ever_but_not_more_than_so_many():
    recent = RecentKeys(window=10, most=5)
    assert [recent.add(key, 0.0) for key in range(5)] == [True] * 5
    recent.remember_longer(3)
    assert recent.add(4, 1e9) is False
    assert (len(recent), recent.forgotten) == (3, 2)
    assert recent.add(2, 2e9) is False
