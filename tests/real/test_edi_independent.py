"""What we write over EDI, read by tools that no one here wrote; and what they write, read by us."""

from __future__ import annotations

import email
import email.policy
import imaplib
import io
import shutil
import ssl
import subprocess
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from lxml import etree
from place import Place
from sftp_server import find_client
from test_edi_year import mail, opened, place  # noqa: F401  (fixtures)

from kpr.demo.routes import Route
from kpr.messages.ebxml.model import ManifestItem, MessageHeader
from kpr.messages.ebxml.names import C14N, ENVELOPED, RSA_SHA256, SHA256, SOAP, XPATH, XPATH_TEXT
from kpr.messages.ebxml.soap import payload_soap
from kpr.registry.register import Register
from kpr.registry.settings import load_register_settings

OURS, REGISTER = "8000002", "8000004"
HEAD = "{http://www.kith.no/xmlstds/msghead/2006-05-24}MsgHead"

needs_tools = pytest.mark.skipif(
    shutil.which("xmlsec1") is None or shutil.which("openssl") is None,
    reason="xmlsec1 or openssl is not installed; our envelopes were not held against them",
)


def run(*words: object, **how: Any) -> bytes:
    """A tool's output; its complaint when it ends badly."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False, **how)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def parts(raw: bytes, folder: Path) -> tuple[Path, Path, str]:
    """The SOAP part and the payload as files, and the payload's content id, by Python's own mail reader."""
    message = email.message_from_bytes(raw, policy=email.policy.SMTP)
    assert isinstance(message, EmailMessage)
    assert message["SOAPAction"] == '"ebXML"'
    assert message.get_content_type() == "multipart/related"
    soap, payload = message.iter_parts()
    assert (soap.get_content_type(), payload.get_content_type()) == ("text/xml", "application/pkcs7-mime")
    written = folder / "soap.xml", folder / "payload.p7m"
    for part, file in zip((soap, payload), written, strict=True):
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        file.write_bytes(content)
    return *written, payload["Content-ID"].strip("<>")


def opened_by_tools(raw: bytes, made: Place, folder: Path) -> etree._Element:
    """The business message, after xmlsec1 has verified both references and openssl has decrypted."""
    soap, payload, content_id = parts(raw, folder)
    keys, theirs = made.folder / "keys", made.folder / "register" / "keys"
    verified = subprocess.run(
        ["xmlsec1", "--verify", "--pubkey-cert-pem", keys / "sign.pem", f"--url-map:cid:{content_id}", payload, soap],
        capture_output=True,
        check=False,
        text=True,
    )
    assert verified.returncode == 0, verified.stderr
    assert "SignedInfo References (ok/all): 2/2" in verified.stderr
    who = ("-recip", theirs / "decrypt.pem", "-inkey", theirs / "decrypt.key")
    plain = run("openssl", "cms", "-decrypt", "-binary", "-inform", "DER", "-in", payload, *who)
    content = email.message_from_bytes(plain, policy=email.policy.SMTP).get_payload(decode=True)
    assert isinstance(content, bytes)
    # openssl smime reads the older form of the same standard.
    assert run("openssl", "smime", "-decrypt", "-binary", "-inform", "DER", "-in", payload, *who) == plain
    return etree.fromstring(content)


@needs_tools
def test_our_mail_is_read_by_pythons_mail_client_xmlsec1_and_openssl(tmp_path: Path, mail: Route) -> None:  # noqa: F811
    """Fetched by another IMAP client, both messages verify, decrypt, and hold a message head."""
    made = place(tmp_path, mail)
    made.report()
    found = [opened_by_tools(raw, made, tmp_path) for raw in fetched(made)]
    assert [root.tag for root in found] == [HEAD, HEAD]
    assert sorted(root.findtext(".//{*}MsgId") or "" for root in found) == sorted(msg_ids(made))


def fetched(made: Place) -> list[bytes]:
    """What lies in the register's mailbox, by imaplib and the register's own password."""
    settings = yaml.safe_load((made.folder / "register" / "register.yaml").read_text("utf-8"))
    server = settings["transport"]["carrier"]["imap"]
    context = ssl.create_default_context(cafile=server["ca_file"])
    with imaplib.IMAP4_SSL(server["host"], server["port"], ssl_context=context) as client:
        client.login(server["username"], Path(server["password_file"]).read_text())
        client.select("INBOX", readonly=True)
        numbers = client.search(None, "ALL")[1][0].split()
        return [client.fetch(number, "(BODY.PEEK[])")[1][0][1] for number in numbers]


def msg_ids(made: Place) -> list[str]:
    """The MsgIds that we wrote down."""
    with made.open() as workplace:
        latest = workplace.store.latest()
        assert latest is not None
        return [message.msg_id for message in workplace.store.messages(latest.id)]


@needs_tools
def test_our_file_is_fetched_by_openssh_and_read_by_the_tools(tmp_path: Path) -> None:
    """OpenSSH's own ``sftp`` fetches what we wrote; both messages verify and decrypt."""
    client = find_client("sftp")
    if client is None:
        pytest.skip("OpenSSH's sftp is not here")
    for route in opened("sftp", tmp_path / "year"):
        made = place(tmp_path, route)
        made.report()
        assert route.edi is not None
        carrier = route.edi.register["carrier"]
        options = ("-o", f"UserKnownHostsFile={carrier['known_hosts']}", "-i", carrier["key_file"], "-q")
        where = f"{carrier['username']}@{carrier['host']}:to-register/*.mime"
        target = tmp_path / "fetched"
        target.mkdir()
        run(client, *options, "-P", carrier["port"], where, target)
        files = sorted(target.iterdir())
        assert len(files) == 2
        assert {opened_by_tools(file.read_bytes(), made, tmp_path).tag for file in files} == {HEAD}


# -- the other way round -------------------------------------------------------------------------------------------

_TEMPLATE = (
    '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'
    f'<ds:CanonicalizationMethod Algorithm="{C14N}"/><ds:SignatureMethod Algorithm="{RSA_SHA256}"/>'
    f'<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"/>'
    f'<ds:Transform Algorithm="{XPATH}"><ds:XPath xmlns:SOAP-ENV="{SOAP}">{XPATH_TEXT}</ds:XPath></ds:Transform>'
    f'<ds:Transform Algorithm="{C14N}"/></ds:Transforms>'
    f'<ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/></ds:Reference>'
    f'<ds:Reference URI="cid:CONTENT-ID"><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/></ds:Reference>'
    "</ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo>"
    "</ds:Signature></SOAP-ENV:Header>"
)


def made_by_tools(made: Place, content: bytes, folder: Path) -> bytes:
    """A message that openssl encrypted, xmlsec1 signed, and Python's mail library put together."""
    keys, content_id = made.folder / "keys", "payload@example.invalid"
    (folder / "plain").write_bytes(content)
    payload, soap = folder / "made.p7m", folder / "made.xml"
    how = ("-binary", "-aes-256-cbc", "-outform", "DER", "-in", folder / "plain", "-out", payload)
    run("openssl", "cms", "-encrypt", *how, keys / "register-encrypt.pem")
    unsigned = payload_soap(header(), (ManifestItem(content_id),)).decode()
    template = unsigned.replace("</SOAP-ENV:Header>", _TEMPLATE.replace("CONTENT-ID", content_id))
    (folder / "template.xml").write_text(template, encoding="utf-8")
    key = f"{keys / 'sign.key'},{keys / 'sign.pem'}"
    run(
        *("xmlsec1", "--sign", "--privkey-pem", key, f"--url-map:cid:{content_id}", payload),
        *("--output", soap, folder / "template.xml"),
    )
    return wrapped(soap.read_bytes(), payload.read_bytes(), content_id)


def wrapped(soap: bytes, payload: bytes, content_id: str) -> bytes:
    """Both parts as one mail, in another order of fields and another encoding than ours."""
    whole = EmailMessage(policy=email.policy.SMTP)
    whole["From"], whole["To"] = "a@kommune.example.invalid", "b@register.example.invalid"
    whole["Date"], whole["Message-ID"] = "Thu, 07 Jan 2021 10:00:00 +0100", f"<{uuid4()}@kommune.example.invalid>"
    whole["MIME-Version"], whole["SOAPAction"] = "1.0", '"ebXML"'
    whole.make_related()
    first, second = EmailMessage(policy=email.policy.SMTP), EmailMessage(policy=email.policy.SMTP)
    first.set_content(soap, "text", "xml", cte="base64", params={"charset": "UTF-8"}, cid="<soap@example.invalid>")
    second.set_content(
        payload, "application", "pkcs7-mime", params={"smime-type": "enveloped-data"}, cid=f"<{content_id}>"
    )
    for part in (first, second):
        whole.attach(part)
    whole.set_param("type", "text/xml")
    whole.set_param("start", "<soap@example.invalid>")
    return whole.as_bytes()


def header() -> MessageHeader:
    """A header as we write it, for a message from us to the register."""
    return MessageHeader(
        from_her_id=OURS,
        to_her_id=REGISTER,
        from_role="KPR_IPLsender",
        to_role="KPR_IPLreceiver",
        cpa_id=f"{OURS}_{REGISTER}",
        conversation_id=str(uuid4()),
        service="S-KPR_IPL",
        service_type="string",
        action="KPR_IPL",
        message_id=str(uuid4()),
        timestamp=datetime(2021, 1, 7, 9, tzinfo=UTC),
    )


@needs_tools
@pytest.mark.parametrize("content", [b"<a/>", b"Content-Type: application/xml\r\n\r\n<a/>"], ids=["bare", "entity"])
def test_we_read_what_the_tools_made(tmp_path: Path, content: bytes) -> None:
    """Encrypted by openssl, signed by xmlsec1, wrapped by Python's mail library: it verifies and opens here."""
    from kpr.simulator_edi import edi_by_folder

    made = Place(tmp_path / "place", edi=edi_by_folder(tmp_path / "exchange"))
    raw = made_by_tools(made, content, tmp_path)
    register = Register(load_register_settings(made.folder / "register" / "register.yaml"))
    out = io.BytesIO()
    register.packagings[OURS].unpack(io.BytesIO(raw), out, limit=1 << 20, now=made.now)
    register.close()
    assert out.getvalue() == b"<a/>"
