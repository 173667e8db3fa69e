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
from pipelines.ingestion.mapping import Mapping
from pipelines.ingestion.mapping_choice import NoMappingFits, choose_mapping
from pipelines.ingestion.mapping_file import MappingInvalid, load_mapping
from pipelines.ingestion.source import DatasetNotMapped, NoSourceFiles, Source

__all__ = [
    "DatasetNotMapped",
    "LandingReport",
    "Mapping",
    "MappingInvalid",
    "NoMappingFits",
    "NoSourceFiles",
    "Source",
    "Window",
    "choose_mapping",
    "land",
    "load_mapping",
    "mapped_datasets",
    "source_as_of",
    "source_digest",
    "source_of",
]
