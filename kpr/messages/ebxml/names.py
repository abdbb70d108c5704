"""Names that the framework prescribes: namespaces, services and actions of signals, algorithms."""

from __future__ import annotations

#: SOAP 1.1, and the ebXML message service 2.0 (HIS 1037 s. 4.2).
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
EB = "http://www.oasis-open.org/committees/ebxml-msg/schema/msg-header-2_0.xsd"
XLINK = "http://www.w3.org/1999/xlink"
DS = "http://www.w3.org/2000/09/xmldsig#"
XML = "http://www.w3.org/XML/1998/namespace"
NAMESPACES = {"soap": SOAP, "eb": EB, "xlink": XLINK, "ds": DS}

#: Signals (HISD 1209): no role, no payload, and never an answer to them.
SIGNAL_SERVICE = "urn:oasis:names:tc:ebxml-msg:service"
ACKNOWLEDGMENT, MESSAGE_ERROR = "Acknowledgment", "MessageError"
TO_PARTY_MSH = "urn:oasis:names:tc:ebxml-msg:actor:toPartyMSH"
ERROR_CONTEXT = "urn:oasis:names:tc:ebxml-msg:service:errors"

#: The three transforms of the root reference, in this order (HITS 1171 s. 5.2.5; HITS 1172 rules 35-38).
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH_TEXT = (
    'not(ancestor-or-self::node()[@SOAP-ENV:actor="urn:oasis:names:tc:ebxml-msg:actor:nextMSH"] | '
    'ancestor-or-self::node()[@SOAP-ENV:actor="http://schemas.xmlsoap.org/soap/actor/next"])'
)

#: Algorithms: SHA-256 is what is used in practice, SHA-1 what the standard's text still says (HITS 1172 rules 33, 84).
SHA1, SHA256 = "http://www.w3.org/2000/09/xmldsig#sha1", "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

#: The same as a condition on one element, with the prefixes above.
FOR_NEXT_NODE = (
    "@soap:actor='urn:oasis:names:tc:ebxml-msg:actor:nextMSH' "
    "or @soap:actor='http://schemas.xmlsoap.org/soap/actor/next'"
)
