"""Templates: logic-less Mustache, and a library people keep.

`renderer.py` is the one door to pystache. The rest of the house imports from here, and
`values.py` where it needs no library.
"""

from .library import BUILT_IN, Library
from .prepared import Prepared
from .stored import Stored, TemplateDirectory
from .template import INPUT, TYPES, Template, Variable, is_name

__all__ = [
    "BUILT_IN",
    "INPUT",
    "TYPES",
    "Library",
    "Prepared",
    "Stored",
    "Template",
    "TemplateDirectory",
    "Variable",
    "is_name",
]
