"""`facility stage`: files of the lake are brought into the VO's cache before somebody reads them."""
