"""Whom TLS trusts, and who we are to the server.

A context of our own: requests would trust certifi's list where the system has one, and
urllib3 would ask for the password of a key on the terminal.
"""

import os

from ..errors import ConfigError
from .endpoint import Endpoint

TYPE_CHECKING = False  # a question over plain HTTP goes out before ssl is imported
if TYPE_CHECKING:
    import ssl


class Tls:
    """A context for connections, None where none is needed; a note, or nothing."""

    def __init__(self, context: "ssl.SSLContext | None" = None, note: str = "") -> None:
        self.context = context
        self.note = note


def tls_of(endpoint: Endpoint) -> Tls:
    """Return what connections to a server need.

    Trusted is what the endpoint names, else what the system trusts, else certifi's
    list. Raises: ConfigError for files that cannot be used.
    """
    addresses = (endpoint.base_url, endpoint.proxy or "")
    if not any(address.lower().startswith("https:") for address in addresses):
        return Tls()
    bundle, directory, note = endpoint.ca_bundle, endpoint.ca_directory, ""
    if bundle and os.path.isdir(bundle):
        bundle, directory = None, bundle
    if not (bundle or directory or _system_has_certificates()):
        from requests.utils import DEFAULT_CA_BUNDLE_PATH  # certifi's

        bundle = DEFAULT_CA_BUNDLE_PATH
        note = f"the system has no certificates to trust: those of '{bundle}' count"
    import ssl

    try:
        context = ssl.create_default_context(cafile=bundle, capath=directory)
    except OSError as error:  # ssl's own are of this kind
        raise ConfigError(
            f"cannot use the certificates in '{bundle or directory}':"
            f" {error.strerror or error}",
            hint="ca_bundle, or a variable such as SSL_CERT_FILE, names them",
        ) from error
    _identify(context, endpoint)
    return Tls(context, note)


def _identify(context: "ssl.SSLContext", endpoint: Endpoint) -> None:
    if not endpoint.client_certificate:
        return
    files = (endpoint.client_certificate, endpoint.client_key)
    try:
        # A password, or OpenSSL would ask the terminal for one.
        context.load_cert_chain(files[0], files[1], password="")
    except (OSError, ValueError) as error:
        shown = "' and '".join(file for file in files if file)
        raise ConfigError(
            f"cannot use the client certificate in '{shown}':"
            f" {getattr(error, 'strerror', None) or error}",
            hint="client_certificate and client_key name PEM files without a password",
        ) from error


def _system_has_certificates() -> bool:
    import ssl

    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return True
    try:
        return bool(paths.capath and os.listdir(paths.capath))
    except OSError:
        return False
