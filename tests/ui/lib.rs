//! The tests of this package are in `tests/`; this library is empty.
