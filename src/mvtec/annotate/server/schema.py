"""The tables of the working store."""

from __future__ import annotations

FORMAT = 2
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE category (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, more TEXT NOT NULL);
CREATE TABLE photo (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, width INTEGER, height INTEGER, state TEXT,
  revision INTEGER NOT NULL DEFAULT 0, records TEXT NOT NULL DEFAULT '[]', predicted TEXT, more TEXT NOT NULL,
  in_file INTEGER NOT NULL, here INTEGER NOT NULL, labels INTEGER NOT NULL DEFAULT 0,
  proposals INTEGER NOT NULL DEFAULT 0, worth REAL NOT NULL DEFAULT 0, disagrees INTEGER NOT NULL DEFAULT 0,
  low_score INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE has_category (photo INTEGER NOT NULL, category INTEGER NOT NULL, PRIMARY KEY (photo, category));
CREATE TABLE identity (key TEXT PRIMARY KEY, photo INTEGER NOT NULL, id INTEGER NOT NULL UNIQUE);
CREATE TABLE version (
  photo INTEGER NOT NULL, revision INTEGER NOT NULL, at TEXT NOT NULL, client TEXT NOT NULL, change TEXT NOT NULL,
  what TEXT NOT NULL, state TEXT, labels INTEGER NOT NULL, proposals INTEGER NOT NULL, records TEXT NOT NULL,
  PRIMARY KEY (photo, revision)
);
CREATE INDEX version_by_change ON version (photo, change);
"""
# Annotations and shapes, each kept once; see contents.py. Format 1 had them whole in `photo` and `version`.
CONTENTS = """
CREATE TABLE shape (
  id INTEGER PRIMARY KEY, photo INTEGER NOT NULL, digest BLOB NOT NULL, segmentation TEXT NOT NULL,
  UNIQUE (photo, digest)
);
CREATE TABLE record (
  id INTEGER PRIMARY KEY, photo INTEGER NOT NULL, digest BLOB NOT NULL, key TEXT NOT NULL, shape INTEGER,
  fields TEXT NOT NULL, UNIQUE (photo, digest)
);
CREATE INDEX record_by_key ON record (photo, key);
CREATE INDEX record_by_shape ON record (shape);
"""
