"""Sources to landed batches: raw bytes kept as received, rows typed by contract, both on record."""

from pipelines.ingestion.landing import (
    LandingReport,
    Window,
    land,
    mapped_datasets,
    source_as_of,
    source_digest,
    source_of,
)
from pipelines.ingestion.mapping import Feed, Mapping, contract_with
from pipelines.ingestion.mapping_choice import NoMappingFits, choose_mapping
from pipelines.ingestion.mapping_file import MappingInvalid, load_mapping
from pipelines.ingestion.source import DatasetNotMapped, FeedFile, NoSourceFiles, Source

__all__ = [
    "DatasetNotMapped",
    "Feed",
    "FeedFile",
    "LandingReport",
    "Mapping",
    "MappingInvalid",
    "NoMappingFits",
    "NoSourceFiles",
    "Source",
    "Window",
    "choose_mapping",
    "contract_with",
    "land",
    "load_mapping",
    "mapped_datasets",
    "source_as_of",
    "source_digest",
    "source_of",
]
