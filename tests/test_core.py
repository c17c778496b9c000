"""The core stands alone."""

import subprocess
import sys

CORE = """
    activations checksums comparison config datasets errors estimate evaluation evolution formats frozen identity layout
    machine modules outlook plugins preferences randomness ranking reports result reuse rules selection_rate
    signed_ranks space stack state training trial tuning_response weights
"""


def test_the_core_imports_neither_ray_nor_optuna_nor_mlflow() -> None:
    program = (
        "import sys, importlib\n"
        f"for name in {CORE.split()!r}: importlib.import_module('smartmixed_search.' + name)\n"
        "print(sorted({'ray', 'optuna', 'mlflow'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.strip() == "[]"
