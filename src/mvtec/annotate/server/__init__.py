"""The server of the annotation page: routes, working store, annotation file, proposals, SAM."""
