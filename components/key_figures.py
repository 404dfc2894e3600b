"""The strip of figures that an analyst looks at first."""

from math import isnan

from dash import html
from dash.development.base_component import Component

from components.formats import percent, price_digits, price_text, signed_percent, time_text, usd
from components.theme import exchange_name
from components.view import HeatmapView
from engine.margin import LONG, SHORT
from engine.summary import KeyFigures
from engine.zones import Zone

Content = str | Component | list[str | Component]


def key_figures_strip(view: HeatmapView) -> list[Component]:
    """Return the view's key figures as labelled cells."""
    figures = view.key_figures
    digits = price_digits(figures.last_price)
    return [
        _last_price(view, digits),
        _zone("Nearest zone above", view, figures.above, SHORT),
        _zone("Nearest zone below", view, figures.below, LONG),
        _at_risk(view),
        _imbalance(figures.imbalance),
        _max_pain(figures, digits),
        _coverage(figures.coverage),
    ]


def empty_strip() -> list[Component]:
    """Return the strip before there is anything to say."""
    labels = (
        "Last price",
        "Nearest zone above",
        "Nearest zone below",
        "Modelled at risk within",
        "Imbalance ±5%",
        "Max pain",
        "Mapped",
    )
    return [_cell(label, "–") for label in labels]


def _cell(label: str, value: Content, note: Content = "", kind: str = "") -> html.Div:
    return html.Div(
        [
            html.Dt(label),
            html.Dd([html.Span(value, className="value"), html.Span(note, className="note")]),
        ],
        className=f"figure-cell {kind}".strip(),
    )


def _last_price(view: HeatmapView, digits: int) -> html.Div:
    end = view.heatmap.times[-1]
    live = end >= view.data_stop
    note = f"{'data to' if live else 'as of'} {time_text(min(end, view.data_stop))} UTC"
    return _cell("Last price", price_text(view.key_figures.last_price, digits), note, "is-price")


def _zone(label: str, view: HeatmapView, zone: Zone | None, side: int) -> html.Div:
    kind = "is-long" if side == LONG else "is-short"
    if zone is None:
        return _cell(label, "–", "none stands out", kind)
    last_price = view.key_figures.last_price
    digits = price_digits(last_price)
    low, high = (price_text(price, max(0, digits - 1)) for price in (zone.low, zone.high))
    distance = signed_percent(zone.price / last_price - 1.0)
    note: list[str | Component] = [f"{distance} · modelled {usd(zone.total)}"]
    calibrated = view.calibrated_between(zone.low, zone.high, 0 if side == LONG else 1)
    if calibrated is not None:
        note.append(html.Span(f" · calibrated {usd(calibrated)}", title=_reported_by(view)))
    return _cell(label, f"{low}–{high}", note, kind)


def _reported_by(view: HeatmapView) -> str:
    feeds = ", ".join(exchange_name(exchange) for exchange in view.calibrations.markets)
    return f"as reported by {feeds}"


def _at_risk(view: HeatmapView) -> html.Div:
    at_risk = view.key_figures.at_risk
    head = html.Tr(
        [html.Th("Modelled at risk within", scope="col")]
        + [html.Th(f"±{percent(d, 0)}", scope="col") for d in at_risk]
    )
    rows = [
        html.Tr(
            [html.Th(name, scope="row")] + [_amount_at_risk(view, within, i) for within in at_risk],
            className=kind,
        )
        for i, (name, kind) in enumerate((("Long", "is-long"), ("Short", "is-short")))
    ]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(rows)]), className="figure-cell is-at-risk"
    )


def _amount_at_risk(view: HeatmapView, within: float, side: int) -> html.Td:
    """Return a side's modelled amount, the calibrated one in its tooltip where it is known."""
    figures = view.key_figures
    last, amount = figures.last_price, usd(figures.at_risk[within][side])
    low, high = (last * (1.0 - within), last) if side == 0 else (last, last * (1.0 + within))
    calibrated = view.calibrated_between(low, high, side)
    if calibrated is None:
        return html.Td(amount)
    return html.Td(amount, title=f"calibrated {usd(calibrated)}, {_reported_by(view)}")


def _imbalance(imbalance: float) -> html.Div:
    side = "long-heavy" if imbalance > 0 else "short-heavy" if imbalance < 0 else "balanced"
    share = 50.0 * min(1.0, abs(imbalance))
    left = 50.0 if imbalance > 0 else 50.0 - share
    bar = html.Span(
        html.I(
            style={"left": f"{left:.1f}%", "width": f"{share:.1f}%"},
            className="is-long" if imbalance > 0 else "is-short",
        ),
        className="balance",
    )
    return _cell("Imbalance ±5%", signed_percent(imbalance, 0), [side, bar], "is-balance")


def _max_pain(figures: KeyFigures, digits: int) -> html.Div:
    def side(name: str, price: float | None, kind: str) -> html.Span:
        text = "–" if price is None else price_text(price, max(0, digits - 1))
        return html.Span([html.Small(name), text], className=f"pain {kind}")

    return html.Div(
        [
            html.Dt("Max pain"),
            html.Dd(
                [
                    side("long", figures.long_max_pain, "is-long"),
                    side("short", figures.short_max_pain, "is-short"),
                ]
            ),
        ],
        className="figure-cell is-pain",
    )


def _coverage(coverage: float) -> html.Div:
    if isnan(coverage):
        return _cell("Mapped", "–", "unknown: not tied to open interest", "is-coverage")
    bar = html.Span(
        html.I(style={"left": "0", "width": percent(min(1.0, coverage))}), className="balance"
    )
    return _cell("Mapped", percent(coverage, 0), ["of open interest", bar], "is-coverage")
