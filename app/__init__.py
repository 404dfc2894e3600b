"""The edges: settings, command line, pages and REST over one path from request to heatmap."""

__version__ = "0.1.0"
