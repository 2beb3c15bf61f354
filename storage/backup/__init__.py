"""Backups: all that a database holds, as it holds it, in a file that fills one of either engine.

What is encrypted in the database is so in the file, under the same keys, which go with it, wrapped
by the operator's secret: no secret is needed to make one, and none that opens it is in it.
"""

from storage.backup.form import FORMAT, Manifest, NewerBackup, NoBackup
from storage.backup.making import back_up
from storage.backup.reading import Backup
from storage.backup.restoring import Occupied, check_empty, restore_into

__all__ = [
    "FORMAT",
    "Backup",
    "Manifest",
    "NewerBackup",
    "NoBackup",
    "Occupied",
    "back_up",
    "check_empty",
    "restore_into",
]
