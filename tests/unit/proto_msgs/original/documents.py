"""Documents in the forms that the original's tools wrote, one for each of its types."""

from __future__ import annotations

from typing import Any


def provenance(title: str, **more: Any) -> dict[str, Any]:
    return {
        "creators": [],
        "titles": [{"title": title}],
        "publisher": "DLHub",
        "publicationYear": "2019",
        "identifier": {"identifier": "10.YET/UNASSIGNED", "identifierType": "DOI"},
        "resourceType": {"resourceTypeGeneral": "InteractiveResource"},
        "descriptions": [],
        "fundingReferences": [],
        "relatedIdentifiers": [],
        "alternateIdentifiers": [],
        "rightsList": [],
        **more,
    }


def hub(name: str, **more: Any) -> dict[str, Any]:
    return {
        "version": "0.8.0",
        "domains": [],
        "visible_to": ["public"],
        "type": "servable",
        "name": name,
        **more,
    }


def tensor(*shape: Any, **more: Any) -> dict[str, Any]:
    return {"type": "ndarray", "description": "Tensor", "shape": list(shape), **more}


def method(given: Any, got: Any, **details: Any) -> dict[str, Any]:
    return {"input": given, "output": got, "parameters": {}, "method_details": details}


FLOAT = {"item_type": {"type": "float"}}

STATIC = {
    "datacite": provenance("Norm of an array"),
    "dlhub": hub("1d_norm", files={}, dependencies={"python": {"numpy": "1.16.4"}}),
    "servable": {
        "methods": {
            "run": method(
                tensor("None"),
                {"type": "number", "description": "Norm", "shape": []},
                method_name="norm",
                module="numpy.linalg",
                autobatch=False,
            )
        },
        "shim": "python.PythonStaticMethodServable",
        "type": "Python static method",
    },
}
CLASS = {
    "datacite": provenance("Featuriser"),
    "dlhub": hub("featurise", files={"pickle": "lib\\model.pkl", "other": ["lib\\code.py"]}),
    "servable": {
        "methods": {
            "run": method(
                {"type": "list", "description": "Compositions", "item_type": {"type": "python object"}},
                tensor(None, 145),
                method_name="featurize_many",
                class_name="lib.code.Featurizer",
            )
        },
        "shim": "python.PythonClassMethodServable",
        "type": "Python class method",
        "options": None,
    },
}
SKLEARN = {
    "datacite": provenance("Iris"),
    "dlhub": hub(
        "iris_svm", files={"model": "model.pkl"}, dependencies={"python": {"scikit-learn": "0.21.2"}}
    ),
    "servable": {
        "methods": {
            "run": method(tensor(None, 4, **FLOAT), tensor(None, 3, **FLOAT), method_name="predict_proba")
        },
        "shim": "sklearn.ScikitLearnServable",
        "type": "Scikit-learn estimator",
        "model_type": "SVC",
        "model_summary": "SVC(C=1)",
        "options": {"serialization_method": "pickle", "is_classifier": True, "classes": ["a", "b", "c"]},
    },
}
KERAS = {
    "datacite": provenance("MNIST"),
    "dlhub": hub("mnist", files={"model": "model.h5"}),
    "servable": {
        "methods": {
            "run": method(
                tensor(None, 28, 28, 1), tensor(None, 10), method_name="predict", classes=["0", "1"]
            )
        },
        "shim": "keras.KerasServable",
        "type": "Keras Model",
        "language": "python",
        "model_type": "Deep NN",
        "model_summary": "hidden (Dense)",
        "dependencies": {"python": {"keras": "2.2.4", "h5py": "2.9.0"}},
    },
}
TENSORFLOW = {
    "datacite": provenance("Slopes"),
    "dlhub": hub(
        "tf-test",
        files={"other": ["export/saved_model.pb", "export/variables/variables.index"]},
        dependencies={"python": {"tensorflow": "2.3.1"}},
    ),
    "servable": {
        "methods": {
            "run": method(tensor(None, 3, **FLOAT), tensor(None, 3, **FLOAT)),
            "scalar_multiply": {
                "input": {
                    "type": "tuple",
                    "description": "Arguments",
                    "element_types": [tensor(None, 3, **FLOAT), tensor(**FLOAT)],
                },
                "output": tensor(None, 3, **FLOAT),
                "parameters": None,
                "method_details": {"input_nodes": ["x:0", "z:0"], "output_nodes": ["y:0"]},
            },
        },
        "shim": "tensorflow.TensorFlowServable",
        "type": "TensorFlow Model",
    },
}
TORCH = {
    "datacite": provenance("Digits"),
    "dlhub": hub(
        "mlp", files={"model": "model.pt", "other": ["Net.py"]}, dependencies={"python": {"torch": "1.2"}}
    ),
    "servable": {
        "methods": {"run": method(tensor(2, 4, **FLOAT), tensor(3, 5, **FLOAT), method_name="__call__")},
        "shim": "torch.TorchServable",
        "type": "Torch Model",
        "model_type": "Deep NN",
        "model_summary": "Net()",
    },
}
PIPELINE = {
    "datacite": provenance("Average of maximums"),
    "dlhub": hub("numpy_test", type="piepline", files={}),
    "pipeline": {
        "steps": [
            {
                "author": "ada_example",
                "name": "maximum",
                "description": "Of columns",
                "parameters": {"axis": 0},
            },
            {"author": "ada_example", "name": "mean", "description": "Of these"},
        ]
    },
}
IMREAD = {
    "datacite": provenance("Image reading function"),
    "dlhub": hub("read_image", files={}, dependencies={"python": {"PIL": None}}),
    "servable": {
        "methods": {
            "run": method(
                {"type": "file", "description": "Image", "file_type": "image/*"},
                {"type": "ndarray", "description": "Pixels", "shape": "Any"},
                method_name="open",
                module="PIL.Image",
            )
        },
        "shim": "python.PythonStaticMethodServable",
        "type": "Python static method",
    },
}
STORED = {
    "datacite": provenance(
        "Norm of an array",
        publicationYear="",
        identifier={"identifier": "10.datacite/placeholder", "identifierType": "DOI"},
        relatedIdentifiers=[
            {
                "relatedIdentifier": "globus:x",
                "relatedIdentifierType": "Globus",
                "relationType": "IsDescribedBy",
            }
        ],
    ),
    "dlhub": hub(
        "norm of array",
        id="a267fced-370f-4f2d-9567-1fc11c9b3ba1",
        owner="ada_example",
        shorthand_name="ada_example/1d_norm",
        user_id="4",
        test=False,
        publication_date="1598379008081",
        transfer_method={"POST": "file", "path": "/mnt/tmp/servable.zip"},
        funcx_id="effddfa5-f597-49a1-b48b-21684e2374ca",
        ecr_uri="example.org/a267",
        ecr_arn="arn:x",
        build_location="/mnt/x",
        visible_to=["urn:globus:auth:identity:1a90406d-63d0-4aa7-8026-1ac2dbc3f4cd"],
        dependencies={},
        files={},
    ),
    "servable": STATIC["servable"],
}
EVERY = {
    "static": STATIC,
    "class": CLASS,
    "sklearn": SKLEARN,
    "keras": KERAS,
    "tensorflow": TENSORFLOW,
    "torch": TORCH,
    "pipeline": PIPELINE,
    "imread": IMREAD,
    "stored": STORED,
}
