"""Events of a gate run: their format, the recording kept beside a transcript, and the live page made of them."""
