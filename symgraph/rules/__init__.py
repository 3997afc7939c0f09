"""The rule sets, one file each.

=========== ==========================================================================
canonical   one spelling for what can be written in several ways; useless steps dropped
stabilize   the same value, better conditioned
structure   shapes, views and layouts
fold        known values computed once, now
=========== ==========================================================================
"""
