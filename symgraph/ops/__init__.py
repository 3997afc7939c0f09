"""The ops and the functions that build expressions, one module a family.

Bottom up: `cast`; `elementwise` (what is common to its families), `comparison`,
`choice`, `arithmetic`, `logic`, `transcendental`, `powers`; `sizes` (shapes as values);
`view` (index maps); `broadcasting` (and the sum); `create`; `reduce`; `contract`
(matrix products); `slices`, `gather` and `index`; `join`; `softmax`; `gradient`.
"""

from .arithmetic import *
from .arrange import *
from .broadcasting import *
from .cast import *
from .choice import *
from .comparison import *
from .contract import *
from .create import *
from .cumulative import *
from .elementwise import *
from .gather import *
from .gradient import *
from .index import *
from .join import *
from .logic import *
from .powers import *
from .reduce import *
from .sizes import *
from .slices import *
from .softmax import *
from .split import *
from .transcendental import *
from .triangle import *
from .view import *
