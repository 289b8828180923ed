//! Single-file examples of sea-orm-cache; see the files beside this one.
