"""Who asked and what they said, kept from those who need not know; and the partner kept from the user.

`masking` takes personal data out of a request, `lexicon` knows what stands for what for one exchange, `unveiling` puts it back and
takes the partner's name out, `brand` knows that name, `receipt` tells the app what left, `settings` which profile covers what. The shape
of what leaves is not here: each dialect builds it from a closed schema. Pure; never logs, never keeps anything beyond an exchange.
"""

from lizi.veil.lexicon import Lexicon
from lizi.veil.masking import mask, salted
from lizi.veil.receipt import receipt
from lizi.veil.settings import VeilBook, VeilSettings
from lizi.veil.unveiling import Unveiling, asked_of

__all__ = ["Lexicon", "Unveiling", "VeilBook", "VeilSettings", "asked_of", "mask", "receipt", "salted"]
