from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processor_entries import CAMERA, PLATE, crossing, decide, junction, push, sent, text_of

from processor.steps import parse, redact

SECRET = "Ana García 7"

GROUPS = {
    "plates": [
        {"PlateNumber": PLATE},
        {"plateNumber": PLATE},
        {"PLATETEXT": PLATE},
        {"Object": {"ObjectType": "Plate", "Text": PLATE}},
        {"NonMotor": {"Plate": {"Text": PLATE}}},
        {"CurrentPlateInfo": [{"Text": PLATE}]},
        {"CommInfo": {"ExtraPlates": [PLATE]}},
        {"Events[0].TrafficCar.PlateNumber": PLATE},
        {"Events[0].Object.Text": PLATE},
        {"Candidates": [{"Vehicle": {"OriPlateNumber": PLATE}}]},
        {"MasterOfCar": SECRET, "OwnerName": SECRET, "PhoneNo": "5550100"},
        {"TrafficBlackList": {"Hit": PLATE}},
    ],
    "driver": [
        {"MainSeat": {"SafeBelt": "With", "DriverCalling": "Calling"}},
        {"SubSeat": "WithSafeBelt", "SlaveSeat": "unknow"},
        {"Seat": [{"Status": ["Smoking"]}]},
        {"DriverFace": [[1, 2]]},
        {"RiderList": [{"Age": 41, "Sex": "Woman", "Helmet": 1}]},
        {"ViolationDesc": "Calling", "ViolationCode": "1344"},
    ],
    "faces": [
        {"Face": {"Sex": "Man", "Age": 30}},
        {"Faces": [{"Emotion": "Smile"}]},
        {"Object": {"ObjectType": "HumanFace", "Sex": "Man", "Glass": 1, "SomethingNew": "Smile"}},
        {"FeatureVector": {"Offset": 0, "Length": 512}},
        {"FaceToken": "abc", "FeatureId": "abc"},
        {"Recresult": [{"Similarity": 91}]},
    ],
    "identity": [
        {"Candidates": [{"Person": {"Name": SECRET, "ID": "77"}}]},
        {"Person": {"CertificateType": "IC", "Birthday": "Monday", "HomeAddress": "street"}},
        {"UserID": "Ana", "CardNo": "Ana", "CardName": "Ana", "UserName": "Ana", "ReadID": "Ana"},
        {"OpenDoorMethod": "Face"},
        {"Name": "Ana"},
        {"RegionName": ["Ana"]},
    ],
    "body": [
        {"HumanAttributes": {"CoatColor": "Red"}},
        {"CoatColor": "Red", "TrousersColor": "Blue", "HairStyle": "Long", "Bag": "Yes"},
        {"Objects": [{"ObjectType": "Human", "Category": "Passerby", "MainColor": "Red", "Stature": "Tall"}]},
        {"ManList": [{"BoundingBox": "Ana"}], "StereoInfo": "Ana"},
    ],
    "images": [
        {"Image": {"Offset": 0}, "ImageInfo": ["a"], "GlobalSceneImage": "b"},
        {"PicName": "x", "FilePath": "/mnt/x", "FtpPath": "x", "VideoPath": "x", "SnapPath": "x"},
        {"Content": "A" * 600, "URL": "http"},
        {"CutoutPic": "x", "NormalPic": {}, "VehiclePic": []},
        {"Unlisted": "QUJD" * 200},
    ],
}


@pytest.mark.parametrize(
    "fields", [pytest.param(f, id=f"{group}-{n}") for group, cases in GROUPS.items() for n, f in enumerate(cases)]
)
def test_nothing_of_a_group_of_personal_data_is_kept(fields: dict[str, Any]) -> None:
    letter = redact.dahua(text_of("SomeCode", {"Deep": [{"er": fields}], **fields, "Kept": 1}))
    kept = parse.dahua(letter).data
    assert kept["Kept"] == 1
    left = {name for part in (kept, kept["Deep"][0]["er"]) for name in part} - {"Kept", "Deep"}
    assert left <= {"Object", "Objects", "NonMotor", "CommInfo"}
    for value in _leaves(fields):
        assert str(value).encode() not in letter.partition(b"data=")[2] or value in {
            "Plate",
            "Human",
            "HumanFace",
            0,
            1,
        }


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value]


def test_a_letter_keeps_what_a_later_version_needs() -> None:
    body = text_of("TrafficJunction", junction(car={"MachineName": CAMERA}), action="Pulse")
    letter = redact.dahua(body)
    assert PLATE.encode() not in letter
    assert decide(letter) == decide(body)
    again = redact.dahua(letter)
    assert again == letter


def test_a_crossing_comes_through_a_letter_unchanged() -> None:
    body = text_of("CrossLineDetection", crossing())
    assert decide(redact.dahua(body)) == decide(body)


def test_a_measurement_comes_through_a_letter_unchanged() -> None:
    letter = redact.axis(push())
    assert b"Ana" not in letter
    assert sent(decide(letter, src="axis")) == sent(decide(push(), src="axis"))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (
            b'Code=NumberStat;action=Start;index=2;data={"PlateNumber":"0000BBB"',
            b"Code=NumberStat;action=Start;index=2;length=66",
        ),
        (b"Code=NumberStat;action=0000BBB;index=0000BBB;x=0000BBB;data=0000BBB", b"Code=NumberStat;length=67"),
        (b"Plate 0000BBB passed", b"length=20"),
        (b"\xff\xfe", b"length=2"),
    ],
)
def test_of_text_that_does_not_parse_only_the_head_is_kept(body: bytes, kept: bytes) -> None:
    assert redact.dahua(body) == kept


def test_of_a_measurement_that_does_not_parse_only_the_length_is_kept() -> None:
    assert redact.axis(b'{"plate":"0000BBB"') == b"length=18"


def test_a_letter_is_bounded() -> None:
    wide = {f"K{chr(97 + n % 26)}{n}": list(range(100)) for n in range(900)}
    assert redact.dahua(text_of("Wide", wide)).startswith(b"Code=Wide;action=Start;index=3;length=")
    deep = b"[" * 900 + b"]" * 900
    assert len(redact.dahua(b'Code=Deep;action=Start;data={"A":' + deep + b"}")) < 200


def test_a_large_body_is_not_looked_into() -> None:
    def texts(length: int) -> tuple[bytes, bytes]:
        event, push = b'Code=Wide;action=Start;index=3;data={"A":"%s"}', b'{"A":"%s"}'
        return tuple(text % (b"x" * (length - len(text) + 2)) for text in (event, push))

    largest, larger = texts(redact.MAX_BODY), texts(redact.MAX_BODY + 1)
    assert (redact.dahua(largest[0]), redact.axis(largest[1])) == (b"Code=Wide;action=Start;index=3;data={}", b"{}")
    assert redact.dahua(larger[0]) == b"Code=Wide;action=Start;index=3;length=65537"
    assert redact.axis(larger[1]) == b"length=65537"


PLATES = st.from_regex(r"[0-9]{4}[B-DF-HJ-NP-TV-Z]{3}", fullmatch=True)
KEYS = st.one_of(st.text(max_size=8), st.sampled_from(["PlateNumber", "Text", "Name", "Kept", "Events[0].Car.Plate"]))
SHAPES = [
    "{}",
    "x {} y",
    '{{"PlateNumber": "{}"}}',
    "http://camera/{}.jpg",
]


def trees(plate: str) -> st.SearchStrategy[Any]:
    planted = st.sampled_from([shape.format(plate) for shape in SHAPES])
    leaves = st.one_of(planted, st.none(), st.booleans(), st.integers(0, 99), st.text(max_size=4))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
        max_leaves=12,
    )


@given(st.data())
def test_a_planted_plate_survives_nowhere(data: st.DataObject) -> None:
    plate = data.draw(PLATES)
    tree = data.draw(st.dictionaries(KEYS, trees(plate), max_size=5))
    code = data.draw(st.sampled_from(["TrafficJunction", "CrossLineDetection", "SmartMotionHuman", "Unheard"]))
    base = {"TrafficJunction": junction(), "CrossLineDetection": crossing()}.get(code, {})
    body = text_of(code, {**base, **tree})
    cut = data.draw(st.integers(0, len(body)))
    for text in (body, body[:cut]):
        assert plate not in repr(decide(text))
    measurement = orjson.dumps({"sensor": {"serial": "door-7"}, "measurement": tree})
    assert plate not in repr(decide(measurement, src="axis"))
