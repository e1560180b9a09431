"""From annotation to model: MVTec-layout defect photos in, a measured detector out."""

__version__ = "0.1.0"
