from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.auth.key_set import parse_key_set
from tests.tokens import Issuer
from tests.unit.auth.helpers import jwks


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def test_faults_of_a_key_set(issuer: Issuer) -> None:
    private = jwt.get_algorithm_by_name("ES256").to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    weak = jwt.get_algorithm_by_name("RS256").to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    good = issuer.public("ec")
    for content, fault in (
        (b"{", "is not JSON"),
        (b"[]", "must be a JSON Web Key Set"),
        (b'{"keys": [1]}', "must be a JSON Web Key Set"),
        (b"[" * 100_000, "is not JSON"),
        (jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), "key 1 is secret"),
        (jwks(good, private), "key 2 is secret"),
        (jwks(weak), "key 1 is an RSA key of fewer than 2048 bits"),
        (jwks({**good, "x": "AA"}), "key 1 cannot be read"),
        (jwks({**good, "kid": 5}), "key 1: kid must be a text"),
        (jwks(good, good), "holds two keys with the same kid"),
    ):
        with pytest.raises(ValueError) as e:
            parse_key_set(content)
        assert str(e.value).startswith(fault)
        assert str(private["d"]) not in str(e.value)


def test_other_keys_may_stand_in_the_set(issuer: Issuer) -> None:
    other = {"kty": "EC", "crv": "P-521", "kid": "other", "x": "AA", "y": "AA"}
    keys = parse_key_set(jwks(other, issuer.public("ec", use="sig", alg="ES256"))).keys
    assert [key.ident for key in keys] == ["ec"]
