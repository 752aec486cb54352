"""Loads a model with its framework alone, calls it once, and prints the memory of this process in kB.

python bare.py FRAMEWORK FILE      # in the framework's environment
"""

import os
import re
import sys
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""
framework, path = sys.argv[1:]


def tensorflow():
    import keras
    import numpy
    import tensorflow

    model = keras.saving.load_model(path, compile=False)
    graph = tensorflow.function(lambda values: model(values, training=False))
    graph([numpy.ones((1, 3), "f4"), numpy.ones((1, 2), "f4")])
    return model


def torch():
    import numpy
    import torch

    torch.set_num_threads(1)
    module = torch.jit.load(path)
    with torch.inference_mode():
        module(torch.from_numpy(numpy.ones((1, 3), "f4")), torch.ones(1, 2))
    return module


def sklearn():
    import pickle

    import numpy

    model = pickle.loads(Path(path).read_bytes())
    model.predict_proba(numpy.ones((1, 4)))
    return model


def onnx():
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    session.run(None, {"x": numpy.ones((1, 2), "f4"), "z": numpy.ones((1, 2), "f4")})
    return session


def xgboost():
    import numpy
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=path)
    booster.predict(xgboost.DMatrix(numpy.ones((1, 4)), feature_names=booster.feature_names, nthread=1))
    return booster


def lightgbm():
    import lightgbm
    import numpy

    booster = lightgbm.Booster(model_file=path)
    booster.predict(numpy.ones((1, 4)), num_threads=1)
    return booster


kept = globals()[framework]()
print(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text()).group(1))
