"""Arrays with some of their elements changed: ``x[key].set(v)``, ``x[key].inc(v)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import dims
from ..dims import Size
from ..graph import Node
from ..op import Array, Index, Opaque, broadcast, meeting, op
from ..types import TensorType
from ..variable import Variable, apply
from .common import Grads
