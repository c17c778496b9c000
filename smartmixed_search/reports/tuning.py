"""The report's section on what tuning learned: which settings matter, and what they did to the objective."""

import pandas as pd

from smartmixed_search.analysis.scale import Scale
from smartmixed_search.analysis.statistics import ALPHA, NotEnoughData
from smartmixed_search.analysis.tuning import importance, response
from smartmixed_search.errors.messages import counted
from smartmixed_search.reports import plots
from smartmixed_search.reports.columns import columns, gains, interval
from smartmixed_search.reports.figures import GRID_SIZE, Figures
from smartmixed_search.reports.tables import (
    WORDS,
    Column,
    details,
    fixed,
    html_table,
    p_value,
    p_words,
    paragraph,
    percent,
)

_FACTORS = {"architecture": "architecture", **plots.SETTINGS}
_IMPORTANCE: dict[str, Column] = {
    "words": ("factor", WORDS),
    **columns("levels"),
    "share": ("share of the variance, %", fixed(1, 100)),
    "p": ("p (F-test)", p_value),
}


def _of_response(scale: Scale) -> dict[str, Column]:
    mean: dict[str, Column] = {"mean": (scale.differences("mean less the architecture's"), gains(scale))}
    return columns("from", "to", "trials") | mean | interval(gains(scale))


def _of_trials(scale: Scale) -> dict[str, Column]:
    settings = ["phase_fraction", "temperature"]
    return columns("trial", "architecture", *settings, "objective", "choice_confidence", "smartmixed_rank", scale=scale)


def tuning(dataset: str, trials: pd.DataFrame, figures: Figures, scale: Scale) -> str:
    """Draw what the settings did to the objective of finished trials on one dataset."""
    known = trials.dropna(subset=["objective"])
    varied = [setting for setting in plots.SETTINGS if known[setting].nunique() > 1]
    constant = [label for setting, label in plots.SETTINGS.items() if setting not in varied]
    said = "".join(paragraph(f"Not enough data: {label} did not vary.") for label in constant)
    if not varied:
        return said
    responses = {setting: response(known, setting) for setting in varied}
    drawn = [_response(dataset, setting, known, found, figures, scale) for setting, found in responses.items()]
    if len(varied) > 1:
        drawn.append(_parallel(dataset, known, figures, scale))
    tables = [
        html_table(found, _of_response(scale), f"Response to {plots.SETTINGS[setting]}")
        for setting, found in responses.items()
    ]
    by_objective = known.sort_values("objective", ascending=False)
    behind = "".join(tables) + html_table(by_objective, _of_trials(scale), "Trials, best objective first")
    return (
        f'{said}{_importance(importance(known))}<div class="figures">{"".join(drawn)}</div>'
        f"{details('The numbers behind the plots', behind)}"
    )


def _importance(found: pd.DataFrame | NotEnoughData) -> str:
    if isinstance(found, NotEnoughData):
        return paragraph(f"Importance of the settings: not enough data ({found.reason}).")
    known = found[found["p"].notna()]
    each = [f"{_FACTORS[row['factor']]} {percent(row['share'])} ({p_words(row['p'])})" for _, row in known.iterrows()]
    shown = [_FACTORS[name] for name in known.loc[known["p"] < ALPHA, "factor"] if name != "architecture"]
    words = f"Of the objective's variance over the trials, {', '.join(each)}. "
    words += (
        f"Settings shown to matter (α = {ALPHA}): {', '.join(shown)}." if shown else "No setting is shown to matter."
    )
    table = html_table(found.assign(words=found["factor"].map(_FACTORS)), _IMPORTANCE, "Importance for the objective")
    return paragraph(words) + table


def _response(
    dataset: str, setting: str, trials: pd.DataFrame, found: pd.DataFrame, figures: Figures, scale: Scale
) -> str:
    label = plots.SETTINGS[setting]
    best = trials.iloc[trials["objective"].argmax()]
    tried, objective = counted(len(trials), "trial"), scale.number(best["objective"])
    described = f"{tried}; the best has {label} {best[setting]:.3g} and objective {objective}."
    levels = "; ".join(
        f"{row['from']:.2g} to {row['to']:.2g}: {scale.number(row['mean'], sign=True)}" for _, row in found.iterrows()
    )
    if levels:
        unit = f", in {scale.unit_of_differences}" if scale.unit_of_differences else ""
        described += f" Mean less that of the architecture{unit}: {levels}."
    return figures.draw(
        f"tuning-{setting}",
        f"Objective against {label}, {dataset}",
        described,
        lambda ax: plots.plot_tuning(trials, setting, ax, response=found, scale=scale),
        GRID_SIZE,
        f"Objective against {label}, a dot per trial; the ring is the best by validation. Bars are means over a "
        "quarter of the trials each, differences between architectures taken out, with 95 % intervals where there is "
        "data for them.",
    )


def _parallel(dataset: str, trials: pd.DataFrame, figures: Figures, scale: Scale) -> str:
    return figures.draw(
        "parallel",
        f"Settings and objective of every trial, {dataset}",
        f"{len(trials)} lines, one per trial, through phase fraction, temperature and objective.",
        lambda ax: plots.plot_parallel(trials, ax, scale=scale),
        GRID_SIZE,
        "One line per trial; the tenth with the highest objective stands out. Temperature is on a log scale.",
    )
