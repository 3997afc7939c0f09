"""The ops and the functions that build expressions, one module a family.

Bottom up: `cast`; `elementwise` (what is common to its families), `comparison`,
`choice`, `rounding`; `sizes` (shapes as values); `view` (index maps); `broadcasting`
(and the sum); `create`; `complex`, `arithmetic`, `logic`, `floating`, `transcendental`,
`powers`, `logadd`; `pairs` (formulas for complex numbers); `reduce`; `close`;
`contract` (matrix products); `slices`, `gather` and `index`; `join`; `softmax`;
`gradient`.
"""

from .arithmetic import *
from .broadcasting import *
from .cast import *
from .choice import *
from .close import *
from .comparison import *
from .complex import *
from .contract import *
from .create import *
from .elementwise import *
from .floating import *
from .gather import *
from .gradient import *
from .index import *
from .join import *
from .logadd import *
from .logic import *
from .pairs import *
from .powers import *
from .reduce import *
from .rounding import *
from .sizes import *
from .slices import *
from .softmax import *
from .transcendental import *
from .view import *
