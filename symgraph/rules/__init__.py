"""The rule sets, one file each.

=========== ==========================================================================
canonical   one spelling for what can be written in several ways; useless steps dropped
logexp      stable logarithms and exponentials
logistic    the logistic function and the hyperbolic tangent
cancel      differences that cancel, quotients that overflow, masks
softmax     softmax, cross-entropy and their gradients
structure   shapes, views and layouts
shapes      fills, broadcasts and transposes moved behind elementwise ops
slices      slices merged, and taken before the work whose result they read
reductions  reductions of reductions, of scaled, filled and joined arrays
choice      comparisons and choices that are known
algebra     constants of sums and products collected, what cancels dropped; powers
fold        known values computed once, now
expand      named formulas written out
=========== ==========================================================================

`stabilize` and `simplify` put together what one pass applies.
"""
