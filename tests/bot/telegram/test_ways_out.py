"""Ways out to the Bot API: through a proxy, and over TLS under an authority of one's own."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.platforms.telegram.transport import Away, NotSent
from tests.bot.telegram.scripted import assert_says_no_token, bot_at, listening


async def test_a_proxy_is_used_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    async with listening(proxy) as url:
        with_password = url.replace("://", "://ann:p%40ss@")
        monkeypatch.setenv("HTTP_PROXY", with_password)
        monkeypatch.setenv("http_proxy", with_password)
        async with bot_at("http://api.invalid") as bot:
            with pytest.raises(Away):
                await bot.send_message(7, "a")
        assert heads[0].startswith(b"POST http://api.invalid/bot")
        assert b"Proxy-Authorization: Basic YW5uOnBAc3M=" in heads[0]
        monkeypatch.setenv("no_proxy", "api.invalid")
        async with bot_at("http://api.invalid", connect_timeout=2) as bot:
            with pytest.raises(NotSent):
                await bot.send_message(7, "a")
        async with bot_at("https://api.invalid", proxy=url) as bot:
            with pytest.raises(NotSent) as caught:
                await bot.send_message(7, "a")
        assert_says_no_token(caught.value)
    assert [head.split()[0] for head in heads] == [b"POST", b"CONNECT"]
    async with bot_at("http://api.invalid", proxy="socks5://127.0.0.1:1") as bot:
        with pytest.raises(NotSent, match="socks5"):
            await bot.send_message(7, "a")


def _own_authority(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server on 127.0.0.1 shows, signed by itself; and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, private = folder / "trusted.pem", folder / "private.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    return context, trusted


async def test_only_a_trusted_server_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = _own_authority(tmp_path)
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        said = b'{"ok": true, "result": true}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(said), said))
        await writer.drain()

    async with listening(answer, ssl=context) as url:
        async with bot_at(url) as bot:
            with pytest.raises(NotSent, match="verify failed") as caught:
                await bot.delete_message(7, 1)
        assert_says_no_token(caught.value)
        assert not heard
        own = ssl.create_default_context(cafile=trusted)
        async with bot_at(url, ssl_context=own) as bot:
            assert await bot.delete_message(7, 1)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with bot_at(url) as bot:
            assert await bot.delete_message(7, 1)
    assert len(heard) == 2
