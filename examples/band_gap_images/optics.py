"""The rule of this example: which colour a thin film has whose band gap is known.

A semiconductor lets light through whose photons have less energy than its band gap, and absorbs the rest.
A gap of 1.7 eV swallows nearly all of the visible light and looks black, one of 2.9 eV nearly none; between
them lie red, orange and yellow. Here light of a lamp passes a film on a white backing twice and meets a
camera:

    absorption   A sqrt(E - gap) / E above the gap (direct, allowed), an exponential Urbach tail below it
    back again   exp(-2 * absorption * thickness), of each wavelength
    colour       over the lamp's spectrum, by the CIE 1931 observer, in sRGB, white-balanced on the backing

What a picture tells of the gap is this and nothing else, so the error of a model has a truth to be held
against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Array = NDArray[np.float64]

GAPS_EV = (1.7, 2.9)
"""Range of the gaps here: about what the visible light can tell apart."""
WAVELENGTHS_NM = np.linspace(380.0, 780.0, 81)

_HC_EV_NM = 1239.842
_STRENGTH = 3.5e-2
"""A of the absorption, in 1/nm times the root of eV: 1e5 per cm half an eV above a gap of 2 eV."""
_URBACH_EV = 0.05
"""Disorder: over so much energy the absorption falls by a factor e below the gap."""
_LAMP_K = 6500.0
_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


def absorption(gap_ev: Vector) -> Array:
    """Absorption coefficient in 1/nm, shape (gaps, wavelengths)."""
    energy = _HC_EV_NM / WAVELENGTHS_NM
    above = energy - gap_ev[:, np.newaxis]
    # Root and tail meet half a tail above the gap, where both have the same slope.
    seam = _URBACH_EV / 2
    root = np.sqrt(np.maximum(above, seam))
    coefficient: Array = _STRENGTH / energy * root * np.exp(np.minimum(above - seam, 0.0) / _URBACH_EV)
    return coefficient


def returned(gap_ev: Vector, thickness_nm: Array) -> Array:
    """Which part of the light comes back, shape (gaps, thicknesses, wavelengths).

    thickness_nm: shape (gaps, thicknesses).
    """
    light: Array = np.exp(-2.0 * absorption(gap_ev)[:, np.newaxis, :] * thickness_nm[:, :, np.newaxis])
    return light


def colours(gap_ev: Vector, thickness_nm: Array, lamp_k: Vector) -> Array:
    """Linear red, green and blue, shape (gaps, thicknesses, 3); the bare backing is white at 6500 K.

    lamp_k: temperature of each sample's lamp, whose light is that of a black body.
    """
    seen = _observed(lamp_k)
    nominal = _observed(np.array([_LAMP_K]))[0].sum(axis=0)
    light = returned(gap_ev, thickness_nm) @ (seen / nominal)
    linear: Array = np.clip(light, 0.0, None)
    return linear


def encoded(linear: Array) -> Array:
    """Values of an image file, 0 to 1: sRGB's curve."""
    clipped = np.clip(linear, 0.0, 1.0)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)


def _observed(lamp_k: Vector) -> Array:
    """What each wavelength of a lamp adds to red, green and blue, shape (lamps, wavelengths, 3)."""
    spectrum = _black_body(lamp_k)
    seen = spectrum[:, :, np.newaxis] * (_observer() @ _TO_SRGB.T)
    # A camera's exposure follows the brightness, so that a lamp's temperature is a matter of colour alone.
    brightness = spectrum @ _observer()[:, 1]
    weights: Array = seen / brightness[:, np.newaxis, np.newaxis]
    return weights


def _black_body(kelvin: Vector) -> Array:
    """Planck's law, in units that do not matter here."""
    exponent = 1.4388e7 / (WAVELENGTHS_NM * kelvin[:, np.newaxis])
    return (WAVELENGTHS_NM / 560.0) ** -5 / np.expm1(exponent)


def _observer() -> Array:
    """The CIE 1931 colour matching functions as sums of lobes, shape (wavelengths, 3).

    After Wyman, Sloan and Shirley, Simple analytic approximations to the CIE XYZ color matching functions,
    Journal of Computer Graphics Techniques 2 (2), 2013.
    """
    x = _lobe(1.056, 599.8, 37.9, 31.0) + _lobe(0.362, 442.0, 16.0, 26.7) + _lobe(-0.065, 501.1, 20.4, 26.2)
    y = _lobe(0.821, 568.8, 46.9, 40.5) + _lobe(0.286, 530.9, 16.3, 31.1)
    z = _lobe(1.217, 437.0, 11.8, 36.0) + _lobe(0.681, 459.0, 26.0, 13.8)
    return np.stack([x, y, z], axis=1)


def _lobe(height: float, centre: float, left: float, right: float) -> Vector:
    width = np.where(centre > WAVELENGTHS_NM, left, right)
    return height * np.exp(-0.5 * ((WAVELENGTHS_NM - centre) / width) ** 2)
