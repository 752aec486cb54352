"""A classifier of three classes by XGBoost."""

import sys
from pathlib import Path

import numpy as np
import xgboost

out = Path(sys.argv[1])
(out / "published").mkdir()
rng = np.random.default_rng(7)
rows = rng.random((200, 4), "f4")
labels = (rows.sum(axis=1) > 2).astype(int) + (rows[:, 0] > 0.5)
settings = {"objective": "multi:softprob", "num_class": 3, "seed": 7}
booster = xgboost.train(settings, xgboost.DMatrix(rows, labels, feature_names=list("abcd")), 20)
booster.save_model(out / "published" / "model.ubj")
matrix = xgboost.DMatrix(rows, feature_names=list("abcd"))
margins = booster.predict(matrix, output_margin=True)
np.savez(out / "reference.npz", rows=rows, output=booster.predict(matrix), margins=margins)
