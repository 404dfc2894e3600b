"""A comparison's result in sentences."""

from collections.abc import Iterator

from app.validate.lines import RunLine
from app.validate.summary import LEAST, Gain, Liquidations, Positions, Score, Summary


def told(run: RunLine, summary: Summary) -> Iterator[str]:
    """Yield lines that tell what a run, or several on the same terms, came to."""
    yield (
        f"{run.symbol}: positions on Hyperliquid and liquidations, against the map of "
        f"{', '.join(run.exchanges)} ({run.model}) as of the bar before."
    )
    yield (
        f"Zones: the hottest {run.share:.0%} of the price buckets of each side, within "
        f"{run.within:.1%} of the price."
    )
    yield ""
    yield from _of_positions(summary.positions, run.within)
    yield ""
    yield from _of_liquidations(summary.liquidations)


def _of_positions(found: Positions, within: float) -> Iterator[str]:
    yield f"Positions compared: {found.compared:,}, each user's on a side once."
    yield (
        f"  Not compared: {found.outside:,} are liquidated further away than {within:.1%} or on "
        f"the price's other side, {found.without_price:,} never, and of {found.without_map:,} "
        "there was no map."
    )
    if found.coverage is not None:
        yield f"  The maps knew {found.coverage:.1%} of the open interest on average."
    if found.by_count is None or found.by_notional is None:
        yield "  No verdict: nothing was compared."
        return
    yield f"  By number:   {_told(found.by_count)}"
    yield (
        f"  By notional: {_told(found.by_notional)}, as much as "
        f"{found.by_notional.effective_count:.1f} equal ones tell"
    )
    if found.rank_correlation is not None:
        yield (
            f"  Rank correlation of notional by bucket, observed with mapped: "
            f"{found.rank_correlation:+.2f}."
        )
    if found.observations_share is not None and found.observations > found.compared:
        yield (
            f"  Seen again every hour: {found.observations_share:.1%} of "
            f"{found.observations:,} observations were in hot zones."
        )
    yield f"  {verdict(found.by_count)}"
    if found.over_geometry:
        yield f"  {beyond_geometry(found.over_geometry)}"
    if found.by_notional.verdict != found.by_count.verdict:
        yield f"  By notional: {verdict(found.by_notional)}"


def _of_liquidations(found: Liquidations) -> Iterator[str]:
    yield (
        f"Liquidations compared: {found.compared:,} of {found.happened:,}; what falls together "
        "in a bar and bucket counts once."
    )
    if found.without_candle or found.without_map:
        yield (
            f"  Not compared: of {found.without_candle:,} the candle had not come, and of "
            f"{found.without_map:,} there was no map."
        )
    if found.score is None:
        yield "  No verdict: nothing was compared."
        return
    yield f"  By number:   {_told(found.score)}"
    yield f"  {verdict(found.score)}"


def verdict(score: Score) -> str:
    """Return what may be said of a score."""
    blind = f"{score.covered:.1%}"
    match score.verdict:
        case "no verdict":
            return (
                f"No verdict: {score.effective_count:.0f} are too few, at least {LEAST} are needed."
            )
        case "no skill measured":
            return f"No skill measured: a blind guess would hit {blind}, which the interval holds."
        case "more":
            return f"More than a blind guess, which would hit {blind}."
    return f"Less than a blind guess, which would hit {blind}."


def beyond_geometry(gain: Gain) -> str:
    """Return what may be said of a gain over the geometry map."""
    figures = (
        f"as many zones of a map that knows only where the price has been hold "
        f"{gain.geometry_share:.1%}; the difference is {100 * gain.gain:+.1f} points "
        f"[{100 * gain.low:+.1f}, {100 * gain.high:+.1f}]."
    )
    match gain.verdict:
        case "no verdict":
            return f"No verdict beyond geometry: {figures}"
        case "no skill measured":
            return f"No skill measured beyond geometry: {figures}"
        case "more":
            return f"More than geometry: {figures}"
    return f"Less than geometry: {figures}"


def _told(score: Score) -> str:
    return (
        f"{score.share:.1%} of {score.count:,} in hot zones [{score.low:.1%}, {score.high:.1%}], "
        f"which cover {score.covered:.1%}"
    )
