"""The core stands alone."""

import subprocess
import sys

CORE = """
    activations comparison config datasets errors estimate evaluation evolution formats frozen layout modules
    preferences randomness ranking reports result reuse space stack state training trial tuning_response weights
"""


def test_the_core_imports_neither_ray_nor_optuna_nor_mlflow() -> None:
    program = (
        "import sys, importlib\n"
        f"for name in {CORE.split()!r}: importlib.import_module('smartmixed_search.' + name)\n"
        "print(sorted({'ray', 'optuna', 'mlflow'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50)
    assert output.stdout.strip() == "[]"
