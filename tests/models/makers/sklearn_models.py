"""A classifier in every serialisation, and pickles that do not load."""

import pickle
import re
import sys
from pathlib import Path

import joblib
import numpy as np
import sklearn
import skops.io
from sklearn.ensemble import RandomForestClassifier

out = Path(sys.argv[1])
rng = np.random.default_rng(7)
rows = rng.random((60, 4))
model = RandomForestClassifier(10, random_state=7).fit(rows, rows.sum(axis=1) > 2)
for how, dump in (
    ("pickle", lambda path: path.write_bytes(pickle.dumps(model))),
    ("joblib", lambda path: joblib.dump(model, path)),
    ("skops", lambda path: skops.io.dump(model, path)),
):
    (out / how).mkdir()
    dump(out / how / "model")
np.savez(out / "reference.npz", rows=rows, output=model.predict_proba(rows), labels=model.predict(rows))

(out / "legacy").mkdir()
whole = pickle.dumps(model, protocol=0)
wrote = f"V{sklearn.__version__}".encode()
(out / "legacy" / "other_version").write_bytes(whole.replace(wrote, b"V0.19.1"))
(out / "legacy" / "older_modules").write_bytes(
    re.sub(rb"sklearn\.ensemble\._forest", b"sklearn.ensemble.forest", whole).replace(wrote, b"V0.19.1")
)
(out / "legacy" / "truncated").write_bytes(pickle.dumps(model)[:2000])
