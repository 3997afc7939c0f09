"""The ops and the functions that build expressions, one module a family.

Bottom up: `cast`; `elementwise` (what is common to its families), `comparison`,
`choice`, `rounding`; `sizes` (shapes as values); `view` (index maps); `broadcasting`
(and the sum); `create`; `complex`, `arithmetic`, `logic`, `floating`, `transcendental`,
`powers`, `logadd`; `pairs` (formulas for complex numbers); `reduce`; `close`;
`contract` (matrix products); `slices`, `gather` and `index`; `join`; `softmax`;
`gradient`.
`choice`, `rounding`, `arithmetic`, `logic`, `floating`, `transcendental`, `powers`,
`logadd`, `stable`, `trigonometric`, `error_function`, `gamma_function`, `entropy`;
`sizes` (shapes as values); `view` (index maps); `broadcasting` (and the sum); `create`;
`reduce`; `close`; `contract` (matrix products); `slices`, `gather` and `index`;
`update`; `join`; `arrange`, `split`, `pad`, `spaced`, `triangle`, `cumulative`,
`statistics`; `products`, `einsum`, `norms`; `softmax`; `gradient`; `random` (draws).
"""

from .angle import *
from .arithmetic import *
from .arrange import *
from .broadcasting import *
from .cast import *
from .choice import *
from .close import *
from .comparison import *
from .complex import *
from .contract import *
from .create import *
from .cumulative import *
from .einsum import *
from .elementwise import *
from .entropy import *
from .error_function import *
from .floating import *
from .foreign import *
from .gamma_function import *
from .gather import *
from .gradient import *
from .index import *
from .join import *
from .logadd import *
from .logic import *
from .norms import *
from .pad import *
from .pairs import *
from .powers import *
from .products import *
from .random import *
from .reduce import *
from .rounding import *
from .sizes import *
from .slices import *
from .softmax import *
from .spaced import *
from .split import *
from .stable import *
from .statistics import *
from .transcendental import *
from .triangle import *
from .trigonometric import *
from .tuples import *
from .update import *
from .view import *
