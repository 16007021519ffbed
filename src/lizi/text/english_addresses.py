"""Addresses in Latin letters: number, street and suffix, with unit, town and code; post office boxes; postcodes with what stands before.

The forms are those of the United States, Britain, Ireland, Canada, Australia, Singapore, India and Hong Kong, and streets in French,
German, Spanish, Italian and Malay.

The number and the street's suffix must both stand there; "Main Street" alone is none. Bound: an
address begins at a number, a unit or a town and takes at most the 288 characters that a step sees behind its beginning.
"""

from __future__ import annotations

import re

from lizi.text.found import GUESSED, LIKELY, Report
from lizi.text.normal import has_digit
from lizi.text.tries import listed

__all__ = ["english_addresses"]

_SUFFIX = (
    "(?:Street|Str|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Ct|Circle|Cir|Place|Pl|Terrace|Ter|Way|Parkway|Pkwy|"
    "Highway|Hwy|Square|Sq|Trail|Trl|"
    "Close|Crescent|Cres|Gardens|Gdns|Grove|Mews|Row|Walk|Hill|Rise|Broadway|Alley|Plaza|Loop|Pike|Path|Quay|Wharf|Embankment|Parade|"
    "Freeway|Expressway|Turnpike|Run|Ridge|View|Commons?|Crossing|Heights|Meadows?|Park|Point|Pass|Creek|Harbor|Valley|Villas?|Landing|"
    "Station|Village|Bypass|Causeway|Esplanade|Glen|Hollow|Knoll|Orchard|Bend|Cove|Estates?|Passage|Cross|Marg|Nagar)"
)
_STATE = (
    "(?:A[LKZR]|C[AOT]|D[EC]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[TA]|W[AVIY]|PR|ON|QC|BC|AB|"
    "NS|NSW|VIC|QLD|"
    "California|Texas|Florida|New York|Illinois|Washington|Massachusetts|Georgia|Ohio|Oregon|Colorado|Arizona|Nevada|Virginia|Michigan|"
    "Pennsylvania|New Jersey)"
)
_POSTCODE = r"[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{2}"
# Canada's, Ireland's (Eircode), Australia's with its state, and Singapore's with its name.
_OTHER_CODE = (
    r"(?:[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[A-Z][0-9][0-9W] ?[0-9A-Z]{4}|(?:NSW|VIC|QLD|SA|WA|TAS|NT|ACT),? [0-9]{4}|"
    r"(?:Singapore|S)[ (]{0,2}[0-9]{6}\)?)"
)
_WORD = r"(?:[A-Z][A-Za-z.'’\-]{0,18}|[0-9]{1,3}(?:st|nd|rd|th)|of|the|de|la|del|[NSEW])"
_UNIT = (
    r"(?:(?:Apt|Apartment|Suite|Ste|Unit|Room|Rm|Floor|Fl|Flat|Building|Bldg|Block|Level|Lot|PH|Penthouse)\.?\s?#?\s?[0-9A-Za-z\-]{1,6}|"
    r"#\s?[0-9A-Za-z\-]{1,8}|[0-9]{1,3}(?:st|nd|rd|th) Floor)"
)
_TOWN = r"[A-Z][A-Za-zÀ-ÿ.'’\-]{1,24}(?![0-9])(?: (?:[A-Z][A-Za-zÀ-ÿ.'’\-]{1,24}(?![A-Za-z0-9])|upon|on|of|the|le|la|de)){0,3}"
_SEGMENT = rf"{_TOWN}(?: [0-9]{{1,2}}(?![0-9A-Za-z]))?"
_JOINT = r"(?:,\s{0,2}|\s{1,2}|\n)"
_PROVINCE = r"(?:(?:[A-Z]{2,3}|Manitoba|Ontario|Quebec|Alberta|British Columbia|Nova Scotia|Saskatchewan|New Brunswick),? )?"
_TO_OTHER_CODE = rf"(?:,?\s{{1,2}}{_SEGMENT}){{0,4}},?\s{{1,2}}{_PROVINCE}{_OTHER_CODE}(?![0-9A-Za-z])"
_NUMBER = r"(?:No\.? ?|Blk |Block )?[0-9]{1,6}[A-Za-z]?(?:[-/][0-9]{1,5}[A-Za-z]?)?"
_BEFORE = r"(?:(?:Flat|Apt|Apartment|Unit|Suite|Room|Rm|Level|Lot|Shop|Studio|Blk|Block|Building|Bldg) #?[0-9A-Za-z\-]{1,6}(?:/|,? )){0,2}"
_STREET = re.compile(
    rf"(?<![0-9A-Za-z.,$€£#/-]){_BEFORE}{_NUMBER},? "
    rf"(?!(?:The|This|That|These|Our|Your|My|Great|Best|More|Other|Different|Easy|Simple|Star) )(?:(?:{_WORD}) "
    rf"){{1,5}}?{_SUFFIX}(?![A-Za-z])\.?(?: (?:NW|NE|SW|SE|North|South|East|West|Ouest|Est|[NSEW])(?![A-Za-z]))?"
    r"(?: [0-9]{1,2}(?![0-9A-Za-z]))?"
    rf"(?:{_JOINT}{_UNIT})?(?:{_JOINT}{_UNIT})?"
    rf"(?:{_TO_OTHER_CODE}|(?:,\s{{0,2}}{_SEGMENT}(?:,\s{{0,2}}{_SEGMENT})?)?"
    rf"(?:{_JOINT}{_STATE}(?![A-Za-z])\.?)?(?:{_JOINT}(?:[0-9]{{4,5}}(?:-[0-9]{{4}})?(?![0-9])|{_POSTCODE}(?![A-Za-z0-9])))?)"
    r"(?:,\s{0,2}(?:USA|U\.S\.A\.|United States|US|UK|United Kingdom|England|Scotland|Wales|Canada|Australia|Ireland)(?![A-Za-z]))?"
)
# The number and the street's kind stand the other way round, or before its name.
_ABROAD = re.compile(
    rf"(?<![0-9A-Za-z.,/-])[0-9]{{1,5}}(?: ?(?:bis|ter)|[A-Za-z])?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin|[Qq]uai|"
    rf"Jalan|Jln|Lorong|[Vv]ia|[Cc]alle|[Rr]ua|[Cc]orso|[Pp]iazza)(?: (?:de la|de|des|du|della|del|d'|l'))? ?{_TOWN}"
    rf"(?:,\s?(?:app|apt|étage|bât)\.? [0-9A-Z]{{1,4}})?"
    rf"(?:{_TO_OTHER_CODE}|,\s?[0-9]{{4,5}} {_TOWN}|,\s?{_TOWN})?"
    rf"|(?<![A-Za-z])[A-ZÄÖÜ][a-zäöüß]{{1,20}}(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer) [0-9]{{1,4}}[a-z]?"
    r"(?![0-9A-Za-z])"
    rf"(?:,\s?[0-9]{{4,5}} {_TOWN})?"
)
_NAMED_HOUSE = re.compile(  # Apartment 21, The Granary, Dock Road, Limerick
    rf"(?<![A-Za-z])(?:Flat|Apt|Apartment|Unit|Studio|Room) [0-9A-Za-z]{{1,5}}, (?:{_TOWN}, ){{1,2}}(?:[0-9]{{1,5}}[A-Za-z]? )?"
    rf"(?:{_WORD} ){{1,4}}?{_SUFFIX}(?![A-Za-z])(?: (?:East|West|North|South|Central)(?![A-Za-z]))?(?:, {_SEGMENT}){{0,2}}"
)
_TO_PIN = re.compile(  # India: six digits behind the town
    r"(?<![0-9A-Za-z])(?:(?:(?:Flat|Plot|House|Door|H\.?|Shop)[ .]{0,2})?(?:No\.? ?)?#?(?:[A-Z]{1,2}-?)?[0-9]{1,4}"
    r"(?:[-/][0-9A-Z]{1,5}){0,3},? )"
    rf"(?:[A-Z0-9][A-Za-z0-9.'’\-]{{0,18}}(?: [A-Z0-9][A-Za-z0-9.'’\-]{{0,18}}){{0,4}}, ?){{1,5}}{_TOWN}"
    r"\s?[-–,]?\s?[1-9][0-9]{2} ?[0-9]{3}(?![0-9])"
)
_NUMBERED = re.compile(
    rf"(?<![0-9A-Za-z.,$])[0-9]{{1,6}} (?:[NSEW]\.? )?(?:Broadway|Avenue of the Americas|The Embarcadero|(?:[0-9]{{1,3}}(?:st|nd|rd|th)|"
    rf"Fifth|Sixth|Seventh|Eighth|Third|Second|First|Park|Madison|Lexington) (?:Ave|Avenue|St|"
    rf"Street))(?![A-Za-z])(?:{_JOINT}{_UNIT})?(?:,\s{{0,2}}{_TOWN})?(?:{_JOINT}{_STATE}(?![A-Za-z]))?(?:{_JOINT}[0-9]{{5}}(?:-[0-9]{{4}}"
    rf")?(?![0-9]))?"
)
_BOX = re.compile(
    rf"(?<![A-Za-z])(?:P\.? ?O\.? ?Box|Post Office Box|PO BOX) [0-9]{{1,7}}(?:,\s{{0,2}}{_TOWN})?(?:{_JOINT}{_STATE}(?![A-Za-z]))?(?:"
    rf"{_JOINT}[0-9]{{5}}(?:-[0-9]{{4}})?(?![0-9]))?"
)
_CODE = re.compile(rf"(?<![0-9A-Za-z]){_POSTCODE}(?![0-9A-Za-z])")
_CODE_SPACED = re.compile(
    r"[A-Z](?:[0-9A-Z]{1,3} [0-9A-Z]{3,4}(?![0-9A-Za-z])|[A-Z]{1,2},? [0-9]{4}(?![0-9])|(?:ingapore)?[ (]{0,2}[0-9]{6})"
)
_PIN = re.compile(r"[1-9][0-9]{2} ?[0-9]{3}(?![0-9])")
_ABROAD_SIGNS = listed(
    "Rue rue Avenue avenue Boulevard boulevard Place place Chemin chemin Quai quai Jalan Jln Lorong Via via Calle calle Rua rua Corso "
    "corso Piazza piazza straße strasse str. weg platz allee gasse ring damm ufer"
)
_ZIP = re.compile(rf"(?<![A-Za-z]){_TOWN}, ?{_STATE},? [0-9]{{5}}(?:-[0-9]{{4}})?(?![0-9])")
# With a state and its code, or a postcode, at the end, the street's last word may be any.
_TO_ZIP = re.compile(
    rf"(?<![0-9A-Za-z.,$/-])(?:[0-9]{{1,6}}[A-Za-z]?|Unit [0-9]{{1,5}}) {_WORD}(?: {_WORD}){{0,4}}(?:,? {_UNIT})?,\s{{0,2}}{_TOWN},? "
    rf"(?:{_STATE}|[A-Z]{{2}}),? [0-9]{{5}}(?:-[0-9]{{4}})?(?![0-9])"
)
_TO_CODE = re.compile(
    rf"(?<![0-9A-Za-z.,/-])(?:(?:Flat|Studio|Unit|Apartment|RR|Site|Box) [0-9A-Za-z]{{1,5}},? ){{0,3}}(?:{_NUMBER},? "
    rf")?{_TOWN}(?:,\s{{0,2}}{_TOWN}){{0,4}},?\s{{1,2}}(?:{_POSTCODE}|{_PROVINCE}{_OTHER_CODE})(?![0-9A-Za-z])"
)
_MILITARY = re.compile(r"(?:PSC|Unit|USS|USNV|USNS|USCGC) [A-Za-z0-9]{1,16},? (?:Box [0-9]{1,6},? )?[DAF]PO,? A[AEP],? [0-9]{5}")
_HONG_KONG = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?:Flat|Room|Rm|Unit|Suite|Shop) [0-9A-Z]{{1,6}},? ?)?[0-9A-Z]{{1,3}}/F,?(?: (?:Block|Tower) "
    rf"[0-9A-Z]{{1,3}},?)?(?:,? ?{_TOWN}){{0,2}}(?:,? ?[0-9]{{1,5}}(?:-[0-9]{{1,5}})? {_TOWN})?(?:, ?{_TOWN}){{0,3}}"
)
_HINT = re.compile(r"[0-9][A-Za-z]?(?:[-/][0-9]{1,5}[A-Za-z]?)?,? (?:[A-Z#]|[0-9][0-9A-Za-z/-]{0,7} [A-Z]|of )")
_HOUSES = ("Flat ", "Apt ", "Apartment ", "Unit ", "Studio ", "Room ")


def english_addresses(text: str) -> list[Report]:
    """Reports of addresses in Latin letters; `keep` is 0, since the town stands at the end."""
    out: list[Report] = []
    if not has_digit(text) and "/F" not in text:  # the ground floor of Hong Kong, "G/F", is the only one without
        return out
    if _HINT.search(text) is not None:
        for form in (_STREET, _NUMBERED):
            out += [(*match.span(), "address", 0, LIKELY) for match in form.finditer(text)]
        for form in (_TO_ZIP, _ZIP, _MILITARY):
            out += [(*match.span(), "address", 0, GUESSED) for match in form.finditer(text)]
        if _PIN.search(text) is not None:
            out += [(*match.span(), "address", 0, GUESSED) for match in _TO_PIN.finditer(text)]
    if any(sign in text for sign in _HOUSES):
        out += [(*match.span(), "address", 0, GUESSED) for match in _NAMED_HOUSE.finditer(text)]
    if any(sign in text for sign in _ABROAD_SIGNS):
        out += [(*match.span(), "address", 0, LIKELY) for match in _ABROAD.finditer(text)]
    if "Box" in text or "BOX" in text:
        out += [(*match.span(), "address", 0, LIKELY) for match in _BOX.finditer(text)]
    if _CODE_SPACED.search(text) is not None:
        out += [(*match.span(), "address", 0, GUESSED) for match in _TO_CODE.finditer(text) if _is_coded(match.group())]
        out += [(*match.span(), "address", 0, GUESSED) for match in _CODE.finditer(text) if " " in match.group()[-4:]]
    if "/F" in text:
        out += [(*match.span(), "address", 0, LIKELY) for match in _HONG_KONG.finditer(text) if "," in match.group()]
    return out


def _is_coded(place: str) -> bool:
    """Whether what ends in a postcode is a place and no product: a British code has its blank, another stands behind a comma somewhere."""
    return "," in place or (_CODE.search(place) is not None and " " in place[-4:])
