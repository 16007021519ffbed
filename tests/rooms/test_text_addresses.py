"""Addresses in Latin letters, by country; and what has a number and a capital and is none."""

from __future__ import annotations

import pytest

from lizi.text import recognise

WHOLE = {
    "Canada": [
        "904-12 Harbour Street, Halifax, NS B3J 1K9", "88 Osborne Street, Winnipeg, Manitoba R3L 1Y5",
        "RR 4, Site 2, Box 9, Nelson, BC V1L 5P6", "512 Rue Saint-Denis, app. 3, Montréal, QC H2J 2L1",
    ],
    "Ireland": ["4 Pembroke Terrace, Dublin 4, D04 K7X2", "Carrowmore, Sligo, F91 X2P4", "31 Patrick Street, Cork T12 W8KP"],
    "Australia": [
        "Unit 3/77 Brunswick Street, Fitzroy VIC 3065", "8/41 Marine Parade, Cottesloe WA 6011",
        "19 Pitt Street, Sydney NSW 2000",
    ],
    "Singapore": [
        "Blk 77 Marine Drive #12-345, Singapore 440077", "9 Jalan Merah Saga, Singapore 278116",
        "210 Orchard Road #05-02, Singapore 238852",
    ],
    "India": [
        "Flat 12, Shanti Niwas, 4th Cross, Jayanagar, Bengaluru 560011", "C-41, Lajpat Nagar, New Delhi - 110024",
        "H.No. 5-9-22/B, Road No. 3, Begumpet, Hyderabad 500016", "Plot 8, Sector 30, Vashi, Navi Mumbai 400703",
    ],
    "Hong Kong": ["Flat 8C, 21/F, Block 2, Taikoo Shing, Quarry Bay"],
    "mainland China": ["Room 1203, Building 5, No. 66 Zhongshan Road, Xuhui, Shanghai"],
    "Britain": ["11b Leadenhall Passage", "Flat 6, Ivy House, Mill Road, Cambridge", "Rose Cottage, Church Lane, Lavenham, CO10 9QT"],
    "France": ["14 Rue de la Paix, 75002 Paris", "7 bis Boulevard Voltaire, 75011 Paris"],
    "Germany": ["Hauptstraße 12a, 10827 Berlin", "Marienplatz 8, 80331 München"],
    "America": ["2250 Elm Hollow Road, Austin, TX 78704", "1 Market Street, San Francisco, CA 94105"],
}  # fmt: skip
NONE = [
    "It costs 12 Euros, 50 Cents.", "Route 66 is long.", "Via 5 G networks we stream.", "The score was 3, Arsenal 2.",
    "Room 5 is free.", "Unit 7 Review: fractions", "He ran 10 Km, London to Kew.", "In place 3 we have Norway.", "Model S 100, Tesla",
    "SKU A1B 2C3",
    "The ring 5 of the dance", "Version 12, Build 3045", "Apartment 5, please", "We met at 10, Monday.", "Figure 2, Section 14",
]  # fmt: skip


def addresses(text: str) -> list[str]:
    return [text[one.start : one.end] for one in recognise(text) if one.kind == "address"]


@pytest.mark.parametrize("address", [address for some in WHOLE.values() for address in some])
@pytest.mark.parametrize(
    "around", ["{}", "Send it to {}, please call first.", "Address: {}\nPhone: later", "She lives at {} and likes it."]
)
def test_an_address_is_found_whole(address: str, around: str) -> None:
    (found,) = addresses(around.format(address))
    assert len(found) >= 0.9 * len(address)
    assert address.startswith(found[:6])
    assert len(found) <= len(address) + len(", please call first."), "not the sentence behind it"


@pytest.mark.parametrize("text", NONE)
def test_what_is_no_address_stays(text: str) -> None:
    assert addresses(text) == []
