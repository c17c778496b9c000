"""What the multilayer perceptron has beyond the contract of families."""

import numpy as np
from torch import nn

from smartmixed_search.families import FAMILIES


def test_layers_and_sites_have_the_names_that_weights_are_stored_by() -> None:
    network = FAMILIES["mlp"].build((5, 4), (6,), 3, lambda _: nn.Identity(), np.random.default_rng(0))
    assert [name for name, _ in network.named_children()] == [
        "layer0",
        "activation0",
        "layer1",
        "activation1",
        "layer2",
    ]
