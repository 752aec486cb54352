"""Smooths frames of a scan, each by itself: bound by computing, on one core."""

import numpy as np

ROUNDS = 48


def smooth(frames):
    """frames: float32, shape (n, height, width). The same shape; about 20 ms for a frame of 128 x 128."""
    return np.stack([_smooth(frame) for frame in frames]).astype(np.float32)


def _smooth(frame):
    keep = np.exp(-np.add.outer(np.fft.fftfreq(frame.shape[0]) ** 2, np.fft.fftfreq(frame.shape[1]) ** 2))
    for _ in range(ROUNDS):
        frame = np.fft.ifft2(np.fft.fft2(frame) * keep).real
    return frame
