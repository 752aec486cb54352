"""A classifier of three classes by LightGBM."""

import sys
from pathlib import Path

import lightgbm
import numpy as np

out = Path(sys.argv[1])
(out / "published").mkdir()
rng = np.random.default_rng(7)
rows = rng.random((200, 4))
labels = (rows.sum(axis=1) > 2).astype(int) + (rows[:, 0] > 0.5)
settings = {"objective": "multiclass", "num_class": 3, "seed": 7, "verbosity": -1}
booster = lightgbm.train(settings, lightgbm.Dataset(rows, labels), 20)
booster.save_model(out / "published" / "model.txt")
raw = booster.predict(rows, raw_score=True)
np.savez(out / "reference.npz", rows=rows, output=booster.predict(rows), raw=raw)
