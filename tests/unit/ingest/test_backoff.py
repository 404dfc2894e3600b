from datetime import UTC, datetime
from random import Random

import pytest

from ingest.backoff import Backoff, retry_after


class NoChance(Random):
    def random(self):
        return 0.0


class MostChance(Random):
    def random(self):
        return 1.0


def test_delays_double_up_to_the_longest():
    backoff = Backoff(NoChance(), first=1.0, longest=60.0)
    assert [backoff.failed() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_chance_lengthens_a_delay_by_at_most_half_of_it():
    backoff = Backoff(MostChance(), first=1.0, longest=60.0)
    assert [backoff.failed() for _ in range(3)] == [1.5, 3.0, 6.0]


def test_clients_that_fail_together_do_not_come_back_together():
    assert Backoff(Random(1)).failed() != Backoff(Random(2)).failed()


def test_a_success_begins_anew():
    backoff = Backoff(NoChance())
    for _ in range(5):
        backoff.failed()
    backoff.succeeded()
    assert (backoff.failures, backoff.failed()) == (0, 1.0)


def test_a_year_of_failures_is_still_retried_at_the_longest_delay():
    backoff = Backoff(NoChance(), longest=60.0)
    backoff.failures = 500_000
    assert backoff.failed() == pytest.approx(60.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 05 Jan 2026 00:02:30 GMT", 150.0),
        ("Mon, 05 Jan 2026 00:02:30 -0000", 150.0),
        ("Sun, 04 Jan 2026 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
    ],
)
def test_servers_say_in_two_ways_when_to_come_back(text, seconds):
    assert retry_after(text, datetime(2026, 1, 5, tzinfo=UTC)) == seconds
