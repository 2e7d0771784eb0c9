"""Trees, notes and leaves are those of RFC 6962, RFC 8785 and C2SP: as the RFC's test vectors have
them, and as programs of others do, `pymerkle`, `aics-tlog` (from Python 3.12 on) and `rfc8785`.
"""

from base64 import b64decode
from hashlib import sha256
from random import Random

import pymerkle
import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pymerkle.proof import InclusionProof

from projections.evidence.leaves import canonical
from projections.evidence.merkle import (
    Node,
    consistency_proof,
    in_memory,
    inclusion,
    inclusion_proof,
    leaf_hash,
    nodes_beside,
    root,
    root_from,
    root_of,
)
from projections.evidence.notes import (
    Checkpoint,
    MalformedNote,
    Note,
    Signature,
    VerifierKey,
    signed,
    verifier_key,
)
from tests.histories import examples

SIZES = 1_030
LEAVES = [leaf_hash(str(number).encode()) for number in range(SIZES)]
READ = in_memory(LEAVES)

# Certificate Transparency's own vectors: the leaves, and the root of the first so many of them.
VECTORS = (
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
)
INCLUDED = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}
CONSISTENT = {
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (1, 1): (),
}


def test_roots_and_proofs_are_those_of_the_vectors() -> None:
    leaves = [leaf_hash(bytes.fromhex(data)) for data, _ in VECTORS]
    read = in_memory(leaves)
    assert root(read, 0) == sha256(b"").digest()
    for size, (_, told) in enumerate(VECTORS, 1):
        assert root(read, size).hex() == told
    for (index, size), hashes in INCLUDED.items():
        assert [one.hex() for one in inclusion_proof(read, index, size)] == [*hashes]
    for (before, size), hashes in CONSISTENT.items():
        assert [one.hex() for one in consistency_proof(read, before, size)] == [*hashes]


def test_roots_and_inclusion_proofs_are_those_of_pymerkle() -> None:
    theirs = pymerkle.InmemoryTree()
    theirs.append_entries([str(number).encode() for number in range(SIZES)])
    chance = Random(6962)
    for size in range(1, SIZES + 1):
        whole = root(READ, size)
        assert theirs.get_root(size) == whole
        index = chance.randrange(size)
        proof = theirs.prove_inclusion(index + 1, size)
        ours = inclusion_proof(READ, index, size)
        assert proof.path == [LEAVES[index], *ours]
        assert inclusion(READ, index, size) == (LEAVES[index], ours, whole)
        taken = InclusionProof("sha256", True, size, index + 1, proof.rule, proof.path)
        taken.verify(LEAVES[index], whole, index + 1, size)


def test_all_proofs_are_those_of_aics_tlog() -> None:
    tlog = pytest.importorskip("aics_tlog", reason="it is made for Python 3.12 and later")
    theirs = tlog.MerkleTree([str(number).encode() for number in range(SIZES)])
    chance = Random(9162)
    for size in range(SIZES + 1):
        whole = root(READ, size)
        assert theirs.root(size) == whole
        before = chance.randrange(size + 1)
        ours = consistency_proof(READ, before, size)
        assert theirs.consistency_proof(before, size) == ours
        assert tlog.verify_consistency(before, size, root(READ, before), whole, ours)
        if size:
            index = chance.randrange(size)
            ours = inclusion_proof(READ, index, size)
            assert theirs.inclusion_proof(index, size) == ours
            assert tlog.verify_inclusion(LEAVES[index], index, size, ours, whole)


@given(st.integers(0, 300), st.sets(st.integers(0, 299), max_size=9))
@examples(60)
def test_any_leaves_with_the_nodes_beside_them_give_the_root(size: int, some: set[int]) -> None:
    leaves = sorted(index for index in some if index < size)
    beside = nodes_beside(leaves, size)
    known = dict(zip(beside, READ(beside), strict=True)) | {
        Node(0, at): LEAVES[at] for at in leaves
    }
    assert root_from(known, size) == root(READ, size)
    covered = sorted(leaf for node in known for leaf in range(*node.span))
    assert covered == [*range(size)], "nothing is told twice, and nothing is missing"
    assert beside == sorted(beside, key=lambda node: node.span), "from left to right"
    assert not {Node(level, at ^ 1) for level, at in beside} & {*beside}, "nor by halves"
    if leaves:
        known[Node(0, leaves[0])] = leaf_hash(b"another")
        assert root_from(known, size) != root(READ, size)


def test_neighbours_are_proven_by_few_nodes() -> None:
    assert len(nodes_beside(range(500, 560), 1_000)) < 20
    assert root_of(LEAVES[:1]) == LEAVES[0]


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), inner)
    ),
    max_leaves=8,
)


@given(_JSON)
@examples(50)
def test_leaves_are_written_as_rfc_8785_says(value) -> None:
    assert canonical(value) == rfc8785.dumps(value)


# ---------------------------------------------------------------------------- notes

# The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP has taken over.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""  # noqa: E501 - a line of a note has no end before its end


def test_a_note_that_go_has_signed_is_taken_and_a_changed_one_is_not() -> None:
    key, note = VerifierKey.parse(GO_KEY), Note.parse(GO_NOTE)
    assert key.text == GO_KEY
    assert str(note) == GO_NOTE
    assert note.is_signed_by(key)
    assert not note._replace(text=note.text.replace("your", "our")).is_signed_by(key)
    assert not note.is_signed_by(verifier_key("PeterNeumann", Ed25519PrivateKey.generate()))


def test_what_we_sign_and_what_aics_tlog_signs_is_the_same() -> None:
    tlog = pytest.importorskip("aics_tlog", reason="it is made for Python 3.12 and later")
    key = Ed25519PrivateKey.generate()
    ours = Checkpoint("deals.example.ru/log/0a1b2c3d", 1_204, root(READ, 1_000))
    note = signed(ours.text, ours.origin, key)
    theirs = tlog.Checkpoint(ours.origin, ours.size, ours.root)
    assert str(tlog.sign_checkpoint(theirs, key, ours.origin).serialise()) == str(note)
    vkey = tlog.parse_vkey(verifier_key(ours.origin, key).text)
    assert tlog.verify_note(tlog.parse_note(str(note)), [vkey])
    assert tlog.parse_checkpoint(note.text).root == ours.root
    assert Checkpoint.parse(note.text) == ours


@pytest.mark.parametrize(
    "text",
    [
        "", "name", "name+00000000+AQ==", GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("Peter", "Peter "), GO_KEY[:-2] + "==", GO_KEY.replace("+ARpc", "+BRpc"),
    ],
)  # fmt: skip
def test_a_mistyped_key_is_none(text: str) -> None:
    with pytest.raises(MalformedNote):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "no signatures\n", GO_NOTE[:-1], GO_NOTE.replace("— ", "- "),
        GO_NOTE.replace("x08go", "x08g?"), GO_NOTE.replace("\n\n", "\n"), GO_NOTE + "\n",
        "text\n\n— name AAAA\n",
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        Note.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "origin\n1\n", "origin\n01\n{root}\n", "origin\n-1\n{root}\n", "\n1\n{root}\n",
        "origin\n1\nAAAA\n", "origin\n1\n?\n", "origin\n١\n{root}\n",
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    good = "origin\n1\n{root}\n".format(root=Checkpoint("o", 1, LEAVES[0]).text.split("\n")[2])
    assert Checkpoint.parse(good) == Checkpoint("origin", 1, LEAVES[0])
    with pytest.raises(MalformedNote):
        Checkpoint.parse(text.format(root=good.split("\n")[2]))


def test_a_signature_with_a_short_key_hash_is_none() -> None:
    line = Signature("name", b"abcd", b"e").line.rstrip("\n")
    assert Signature.parse(line) == Signature("name", b"abcd", b"e")
    assert b64decode(line.split(" ")[2]) == b"abcde"
    with pytest.raises(MalformedNote):
        Signature.parse("— name YWJjZA==")
