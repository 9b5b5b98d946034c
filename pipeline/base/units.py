"""Units of length that a data set's pixel size may have, where a file or a standard needs to know it."""

MILLIMETRES = {"nm": 1e-6, "µm": 1e-3, "μm": 1e-3, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1e3}
