"""How good is a map? The scorecard, calibration, fit, and what they are made of.

`score` measures a model on one market. scipy and arch are imported inside of functions: they load
for two seconds, and serving maps needs neither.
"""

from engine.score.agreement import Agreement, compare
from engine.score.calibration import Calibration, Calibrations, calibrate
from engine.score.events import Liquidations, trigger_price
from engine.score.evidence import Estimate, Verdict
from engine.score.fit import Fit, fit
from engine.score.positions import ObservedPositions
from engine.score.recovery import Recovery, recover
from engine.score.scorecard import Scorecard, score

__all__ = [
    "Agreement", "Calibration", "Calibrations", "Estimate", "Fit", "Liquidations",
    "ObservedPositions", "Recovery", "Scorecard", "Verdict", "calibrate", "compare", "fit",
    "recover", "score", "trigger_price",
]  # fmt: skip
