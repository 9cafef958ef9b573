"""The certificate that the web process serves with."""

from __future__ import annotations

import os
import shutil

from appliance.cli.errors import CommandError, Exit
from appliance.cli.folder import Folder
from appliance.cli.settings import Settings
from appliance.web import tls
from appliance.web.tls import Certificate


def certificate(settings: Settings, folder: Folder, uid: int) -> Certificate:
    """Certificate and key where the web user can read them.

    Raises:
        CommandError: the operator's own can't be read, or the file holds no certificate.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        names = [settings.endpoint, settings.host, "localhost", "127.0.0.1", "::1"]
        files = tls.self_signed(folder.tls, [name for name in names if name not in ("0.0.0.0", "::")])  # noqa: S104
    else:
        files = Certificate(folder.tls / "own-certificate.pem", folder.tls / "own-key.pem")
        try:
            shutil.copyfile(settings.tls_cert, files.certificate)
            tls.write_private(files.key, settings.tls_key.read_bytes())
            files.ends_at()
        except OSError as error:
            raise CommandError(f"The certificate can't be read: {error}.", Exit.NOT_CONFIGURED) from None
        except ValueError:
            raise CommandError(f"{settings.tls_cert} holds no certificate (PEM).", Exit.NOT_CONFIGURED) from None
    if os.geteuid() == 0:
        for path in (files.certificate, files.key):
            os.chown(path, uid, uid)
    return files
