"""Verdicts, and what leads to them: judged streams, measurements, exhibits. Nothing here touches a network."""
