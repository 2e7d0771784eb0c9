"""Every shape of event ever stored can still be read, and is written as it was."""

import json
import re
from pathlib import Path
from typing import get_args
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from domain.events import DEAL_EVENTS, EVENT_TYPES, ActionPerformed, decode, encode

STREAM = UUID("0f8c3a52-55a4-4b0c-9c0e-0b7e0a4b6f11")
LINES = (Path(__file__).parent / "stored_events.jsonl").read_text(encoding="utf-8").splitlines()
SAMPLES = [(sample["topic"], sample["state"]) for sample in map(json.loads, LINES)]


@pytest.mark.parametrize(("topic", "state"), SAMPLES)
def test_what_was_stored_is_read_and_written_the_same(topic: str, state: str):
    recorded = decode(STREAM, 1, topic, state.encode())
    assert recorded.type == topic
    assert encode(recorded).decode() == state


@pytest.mark.parametrize("actor", ['"', "\\", "Анна\n", "\x1f"])
def test_whoever_acts_is_read_as_they_were_written(actor: str):
    recorded = decode(STREAM, 1, SAMPLES[0][0], SAMPLES[0][1].encode())._replace(actor=actor)
    assert decode(STREAM, 1, recorded.type, encode(recorded)) == recorded


def test_every_event_has_a_sample():
    assert {topic for topic, _ in SAMPLES} == set(EVENT_TYPES)


def test_a_sample_means_what_it_says():
    recorded = decode(STREAM, 3, *SAMPLES[2][:1], SAMPLES[2][1].encode())
    event = recorded.event
    assert isinstance(event, ActionPerformed)
    assert [(one.manager_id, one.weight) for one in event.credits] == [
        ("anna", 300),
        ("boris", 200),
    ]
    assert str(recorded.effective_on) == "2026-06-30"


def test_an_event_of_a_later_version_stops_the_reader():
    with pytest.raises(KeyError):
        decode(STREAM, 1, "DealFrozen", SAMPLES[0][1].encode())


def test_a_field_of_a_later_version_stops_the_reader():
    stored = json.loads(SAMPLES[0][1])
    stored["data"]["temperature"] = "hot"
    with pytest.raises(ValidationError):
        decode(STREAM, 1, SAMPLES[0][0], json.dumps(stored).encode())


def test_the_column_of_the_directory_leaves_out_the_deals_events_and_no_others():
    schema = (Path(__file__).parent.parent / "application" / "books.sql").read_text()
    column = schema[schema.index("of_the_directory ") :].split("STORED")[0]
    assert set(re.findall(r"'(\w+)'", column)) == DEAL_EVENTS


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=EVENT_TYPES)
def test_what_may_be_missing_is_left_out_when_stored_and_need_not_be_there(event: type[BaseModel]):
    for name, field in event.model_fields.items():
        if type(None) in get_args(field.annotation):
            assert not field.is_required(), name
