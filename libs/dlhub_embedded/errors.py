"""What can keep the hub from running on this machine; the messages are meant to be shown as they are.

EmbeddedError
├─ MissingPrerequisite   a program or package is not installed; says how to install it
├─ StartFailed           a part of the hub ended or did not answer in time; carries the end of its log
├─ AlreadyRunning        this home is in use by another supervisor
└─ BadSettings           a setting cannot be used as it is
"""

from __future__ import annotations


class EmbeddedError(Exception):
    """The hub cannot be started or stopped as asked; the text says why and what to do."""


class MissingPrerequisite(EmbeddedError):
    """Something has to be installed first."""


class StartFailed(EmbeddedError):
    """A part of the hub did not come up."""


class AlreadyRunning(EmbeddedError):
    """One home runs once."""


class BadSettings(EmbeddedError):
    """A setting that nobody can work with."""
