"""What spaces and trials were called at revision 898b56d."""

from typing import Any

from smartmixed_search.space.space import SearchSpace

EVERY_KEY: dict[str, Any] = {
    "dataset": "digits",
    "architecture": {"choices": ["16-8", 32, "8"]},
    "phase_fraction": {"choices": [0.25, 0.5]},
    "temperature": {"choices": [1.0, 0.5]},
    "temperature_final": {"choices": [0.1, "none"]},
    "epochs": {"low": 8, "high": 64, "step": 8},
    "learning_rate": {"choices": [0.001, 0.01]},
    "logit_learning_rate": {"choices": [0.05, "none"]},
    "batch_size": {"choices": [32, 64]},
    "train_examples": {"choices": [500, "none"]},
    "clip_norm": {"low": 0.5, "high": 2, "step": 0.5},
    "clamp": {"choices": [10, "none"]},
    "estimator": {"choices": ["hard", "soft"]},
    "output": {"choices": ["logits", "softmax"]},
    "handoff": {"choices": ["inherit", "reinitialize"]},
    "handoff_from": {"choices": ["last", "best"]},
    "evaluation": {"choices": ["argmax", "sampled"]},
    "precision": {"choices": ["float32", "tf32"]},
    "objective": "accuracy",
    "seed": 7,
    "replicates": 2,
    "strategies": ["smartmixed", "relu", "tanh"],
    "controls": ["selective", "random-mixed"],
    "pool": ["relu", "tanh", "elu"],
    "architectures": 2,
    "sampler": "grid",
    "trials": 9,
}
DRAWN = EVERY_KEY | {"sampler": "random", "phase_fraction": 0.25, "temperature": 1.0, "temperature_final": "none"}
SPACES = {"grid": EVERY_KEY, "drawn": DRAWN, "asha": DRAWN | {"scheduler": "asha", "epochs": 32}}
HASHES = {
    "ablation": "8aa9d2c6e3f32af3bc709b3ebeeab91668c4f90310cb6035ff3adaa546074d6b",
    "mnist-mlp": "f89fca9753b05955e2b561ca8c787c5489bcc4fa676da967d0e0651098723df2",
    "paper": "cebc3605199cc10c6941a8aecb927af785a6a2130fab78da4e607fdbfa5844a4",
    "paper-fast": "dc28835a34d755e89f5d90fba0c38f5823cd0c9b9dfa17ead657710c003e5513",
    "paper-fast-6": "c87ec3a8c96b51f26ea2603395fb07de28ddd1a043720366e1a147c54f16895e",
    "quickstart": "8891e5c3e054cae162b8b21dad8729b6383fe21a7e3d9b306d336376d4845ee6",
    "grid": "05fae34e3e670ac2d0e270d9755c4922ff2562eecbc81152f1288f04b46b0ea0",
    "drawn": "b1737641f2dc1507bc37c71b25ae368e53c0cafd8853d638cd44f5ee3523ecc7",
    "asha": "c90eda4dda5640bee9051b5b97b819ca62ceb7abddc2c1a26e5171e890d0a475",
}
KEYS = {
    "ablation": [
        ("7b249127b0405a00", "65dfe94e2b6d1309"),
        ("59b7eb3a6bfa8a36", "bd2c47ac4909bd70"),
        ("683a7cd03bdd8171", "cdac663e4007556b"),
    ],
    "mnist-mlp": [
        ("944f4cd95550af0e", "7654f7389bd5cad4"),
        ("3ed165b94d908236", "f5bf7dd82601287e"),
        ("da26417b85fa49a8", "db2684b6bc28a64e"),
    ],
    "paper": [
        ("f627a67815853bdd", "a97f216150211ea1"),
        ("fa67a67fd5daa41f", "76fbd0ce9fd7b001"),
        ("4c04828944db582e", "8b5d836c1f656bb8"),
    ],
    "paper-fast": [
        ("c4abfed2da20bcd1", "65dfe94e2b6d1309"),
        ("a4c27f1e6d3e0c9d", "bd2c47ac4909bd70"),
        ("a2ea3e16177f83fd", "cdac663e4007556b"),
    ],
    "paper-fast-6": [
        ("3808e2f8e30acfa0", "65dfe94e2b6d1309"),
        ("a60218f34b32878c", "e340ef9486b4b742"),
        ("80c3ac2d4050cd56", "bd2c47ac4909bd70"),
    ],
    "quickstart": [
        ("1e841dd382419142", "104b77c1158cb6c8"),
        ("8c61251aa32eb206", "b85c88568e0f568f"),
        ("67dc38338b603674", "d0879a893b2d1fe3"),
    ],
    "grid": [
        ("b02435deb785864c", "2acf546526edb323"),
        ("efaf1e46ef2e1415", "a94b7fa0dce7c9a7"),
        ("a0aa86762e915568", "2acf546526edb323"),
    ],
    "drawn": [
        ("bd8daee6711975ed", "e37ddcf96db32e0a"),
        ("977ea418f6431305", "e6421a2a543cf1b3"),
        ("8cf285280c7bb00d", "97da9e7236060a5a"),
    ],
    "asha": [
        ("414f328ca88c3046", "3c6ee259d6d3bc75"),
        ("dc00a59ed81590bf", "f042ef0e1996077a"),
        ("1f3663c5b0aa2679", "5def768a2443a508"),
    ],
}
"""Of the first proposals of each space: the key of the trial, and that of its baselines."""


def space(name: str) -> SearchSpace:
    return SearchSpace.from_dict(SPACES[name]) if name in SPACES else SearchSpace.load(name)
