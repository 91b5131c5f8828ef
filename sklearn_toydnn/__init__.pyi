from ._engine.callbacks import stop_fits as stop_fits
from ._engine.compiled.program_cache import cache_clear as cache_clear
from ._engine.compiled.program_cache import cache_info as cache_info
from .augmentation import GaussianAugmenter as GaussianAugmenter
from .augmentation import GaussianNoise as GaussianNoise
from .classifier import DNNClassifier as DNNClassifier
from .comparison import Comparison as Comparison
from .comparison import ComparisonDisplay as ComparisonDisplay
from .comparison import compare as compare
from .comparison import compare_candidates as compare_candidates
from .datasets import make_gaussian as make_gaussian
from .datasets import make_sinusoidal as make_sinusoidal
from .datasets import make_triangle as make_triangle

__version__: str
