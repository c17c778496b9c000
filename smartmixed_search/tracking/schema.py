"""MLflow schema 2: the names of experiments, runs and tags, and how a run's tags are filled.

Runs of schema 1 are read as before: without the tags of metrics they mean a classification, ranked by accuracy.

Some things are recorded beyond what the README lists, so that the questions users ask most are answered from few runs,
and that the MLflow page shows the answers as columns (`view` saves two tables with them):

* sweep: tag `smartmixed.opened` (when it was last launched or continued; finds the latest sweep) and metrics: `trials`
  (asked for; a parameter cannot follow when a sweep is extended) and those that `Tracker.close_sweep` is given; tag
  `smartmixed.tables` and artifacts `tables/`: see `stored`; as its description, the tag `mlflow.note.content`, what
  `description.sweep_note` says, written when the sweep is closed;
* sweep and trial: the dataset as an MLflow dataset, see `datasets`; as outputs, the models registered of them, see
  `models`: versions of `smartmixed-<dataset>`, or `smartmixed-<dataset>-<digits of the checksum>` where other data had
  the name before, with the tags `smartmixed.{schema, sweep, trial, dataset, checksum,
  architecture, phase_fraction, temperature, replicate, val_loss, test_<metric>}`; a sweep's best one has the sweep's
  name as alias;
* trial: its ranking as its description; artifact `choice_counts.json` (how choices evolve: neurons by selection epoch,
  layer and function); artifact `environment.json` (device, threads, versions, data: what its figures may depend on
  beside the configuration); tags `smartmixed.weights_checksum` (of `weights.safetensors`, verified when it is read)
  and `smartmixed.best_fixed` (the fixed strategy of best validation metric) and the metrics `smartmixed_rank`,
  `smartmixed_test_<metric>`, `best_fixed_test_<metric>`;
* confirmation, the run above the trials of `confirm`: all that a sweep's has, with the kind `confirmation`, and the tag
  `smartmixed.confirms` (name of the sweep) instead of `smartmixed.opened`, so that it is not taken for a sweep; its
  trials and their strategies have the tag `smartmixed.confirms_trial` (key of the trial that each confirms);
* sweep, confirmation, trial and strategy: tag `smartmixed.checksum` of the data, which its dataset's name alone does
  not identify. Runs of earlier versions lack it; their sweep's dataset input holds it as digest;
* sweep, confirmation, trial and strategy: tags `smartmixed.{task, metric, direction, unit}`, what was learned and by
  what networks are ranked, and, where targets are numbers, `smartmixed.target_deviation` of the test examples, in their
  unit; sweep: tag `smartmixed.metrics`, all that were recorded, as JSON. A sweep's run has them from its first finished
  trial on. Wherever a metric's name stands above, it is that of the metric that ranks;
* a failed or stopped trial: tag `smartmixed.reason`;
* strategy: of every metric the mean, `…_std` and `…_r0` …, and `{val,test}_<metric>_lacking`, how many replicates have
  no value, if any; `val_correct`, `test_correct` (summed over the replicates), which make ties exact, and
  `phase1_best_epoch`, and `val_loss_last`, `val_<metric>_last` (last epoch), and `optimizer_steps_spent`: 0 where the
  network was reused, `optimizer_steps` elsewhere; tag `smartmixed.ranking` (the trial's key and the rank, as words
  that sort like the rankings of all trials, one after the other).
"""

from smartmixed_search.families import format_architecture
from smartmixed_search.trials.config import TrialConfig
from smartmixed_search.trials.records import SETTLED, NetworkResult

VERSION = "2"
EXPERIMENT_PREFIX = "smartmixed/"

SWEEP = "sweep"
CONFIRMATION = "confirmation"
TRIAL = "trial"
STRATEGY = "strategy"

RUNNING = "running"
STATUSES = (*SETTLED, RUNNING)

TAG_SCHEMA = "smartmixed.schema"
TAG_KIND = "smartmixed.kind"
TAG_SWEEP = "smartmixed.sweep"
TAG_KEY = "smartmixed.key"
TAG_DATASET = "smartmixed.dataset"
TAG_CHECKSUM = "smartmixed.checksum"
TAG_ARCHITECTURE = "smartmixed.architecture"
TAG_STATUS = "smartmixed.status"
TAG_TRIAL = "smartmixed.trial"
TAG_STRATEGY = "smartmixed.strategy"
TAG_ROLE = "smartmixed.role"
TAG_OPENED = "smartmixed.opened"
TAG_CONFIRMS = "smartmixed.confirms"
TAG_CONFIRMS_TRIAL = "smartmixed.confirms_trial"
TAG_TABLES = "smartmixed.tables"
TAG_WEIGHTS = "smartmixed.weights_checksum"
TAG_BEST_FIXED = "smartmixed.best_fixed"
TAG_REASON = "smartmixed.reason"
TAG_RANKING = "smartmixed.ranking"
TAG_REUSED_FROM = "smartmixed.reused_from"
TAG_TASK = "smartmixed.task"
TAG_METRIC = "smartmixed.metric"
TAG_METRICS = "smartmixed.metrics"
TAG_DIRECTION = "smartmixed.direction"
TAG_UNIT = "smartmixed.unit"
TAG_DEVIATION = "smartmixed.target_deviation"
TAG_PARENT = "mlflow.parentRunId"

REASON_LENGTH = 1000
WEIGHTS_FILE = "weights.safetensors"
ENVIRONMENT_FILE = "environment.json"

Tags = dict[str, str]


def experiment_name(dataset: str) -> str:
    """Return the name of the experiment that holds a dataset's runs."""
    return EXPERIMENT_PREFIX + dataset


def trial_run_name(config: TrialConfig) -> str:
    """Return a trial's run name.

    Example:
        >>> trial_run_name(TrialConfig(dataset="digits", architecture=(512, 256, 128), phase_fraction=0.12))
        '512-256-128 · φ 0.12 · τ 0.30'
    """
    widths = format_architecture(config.architecture)
    return f"{widths} · φ {config.phase_fraction:.2f} · τ {config.temperature:.2f}"


def strategy_run_name(config: TrialConfig, strategy: str) -> str:
    """Return a strategy's run name.

    Example:
        >>> strategy_run_name(TrialConfig(dataset="digits", architecture=(512, 256, 128)), "smartmixed")
        '512-256-128 · smartmixed'
    """
    return f"{format_architecture(config.architecture)} · {strategy}"


def sweep_tags(sweep: str, key: str, dataset: str, opened: str) -> Tags:
    """Return the tags a sweep run starts with."""
    return _tags(SWEEP, sweep, key, dataset) | {TAG_OPENED: opened}


def confirmation_tags(name: str, key: str, dataset: str, confirms: str) -> Tags:
    """Return the tags that the run of a confirmation starts with; `confirms` is the sweep's name."""
    return _tags(CONFIRMATION, name, key, dataset) | {TAG_CONFIRMS: confirms}


def trial_tags(sweep: str, key: str, config: TrialConfig, parent: str) -> Tags:
    """Return the tags a trial run starts with; `parent` is the id of the sweep run."""
    return _tags(TRIAL, sweep, key, config.dataset) | {
        TAG_ARCHITECTURE: format_architecture(config.architecture),
        TAG_TRIAL: key,
        TAG_PARENT: parent,
    }


def strategy_tags(trial: Tags, network: NetworkResult, parent: str) -> Tags:
    """Return the tags that the run of a network's strategy starts with.

    Args:
        trial: the tags of its trial.
        network: one of the strategy's.
        parent: id of the trial run.
    """
    common = (TAG_ARCHITECTURE, TAG_TRIAL, TAG_CHECKSUM, TAG_CONFIRMS_TRIAL)
    tags = {name: trial[name] for name in common if name in trial} | {
        **_tags(STRATEGY, trial[TAG_SWEEP], f"{trial[TAG_KEY]}/{network.strategy}", trial[TAG_DATASET]),
        TAG_STRATEGY: network.strategy,
        TAG_ROLE: network.role,
        TAG_PARENT: parent,
    }
    return tags if network.reused_from is None else tags | {TAG_REUSED_FROM: network.reused_from}


def ranking_tag(trial: str, rank: float | None) -> Tags:
    """Return the tag by which strategies sort trial by trial and, in each, by rank; controls have none and come last.

    Example:
        >>> ranking_tag("3f2a9188c0ffee00", 2.0)["smartmixed.ranking"]
        '3f2a9188c0ffee00 0002'
    """
    return {TAG_RANKING: f"{trial} {'control' if rank is None else f'{rank:04.0f}'}"}


def _tags(kind: str, sweep: str, key: str, dataset: str) -> Tags:
    return {
        TAG_SCHEMA: VERSION,
        TAG_KIND: kind,
        TAG_SWEEP: sweep,
        TAG_KEY: key,
        TAG_DATASET: dataset,
        TAG_STATUS: RUNNING,
    }
