"""Builders of descriptions (dlhub.json): from a function, a pickled object or a scikit-learn estimator.

    from dlhub_client import describe

    model = describe.sklearn_model("iris.pkl", name="iris", title="Iris species", creators=["Fisher, Ronald"])
    hub.publish_servable(model)

Each gives a `ModelDescription`, whose setters return it again so that they can be chained. Importing this
loads neither NumPy nor scikit-learn.
"""

from dlhub_client.describe.arguments import argument, from_hint
from dlhub_client.describe.functions import static_method
from dlhub_client.describe.metadata import ModelDescription
from dlhub_client.describe.pickles import class_method, sklearn_model

__all__ = ["ModelDescription", "argument", "class_method", "from_hint", "sklearn_model", "static_method"]
