"""The formats that annotations are read from and written to, a file or a folder each."""
