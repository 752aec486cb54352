"""Publish a scikit-learn classifier of one's own, and run it: needs a hub (`dlhub up`) and scikit-learn."""

import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from dlhub_client import DLHubClient, describe

flowers = load_iris()
model = LogisticRegression(max_iter=1000).fit(flowers.data, flowers.target)
Path("iris.pkl").write_bytes(pickle.dumps(model))

description = describe.sklearn_model(
    "iris.pkl", classes=flowers.target_names, name="iris", title="Iris species", creators="Fisher, Ronald"
)
with DLHubClient() as hub:
    published = hub.publish_servable(description)
    print(published.exact_name, hub.run(published.name, flowers.data[:3]).round(3), sep="\n")
