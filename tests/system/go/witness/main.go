// Command witness is a witness that signs, and one who asks whether enough of them did.
//
//	witness cosign KEY <NOTE       the note with one more cosignature, of filippo.io/torchwood; KEY is a file of a signing key
//	witness quorum POLICY <NOTES   a line for each note, whether it has the quorum, by formats/witness; notes end in a NUL
package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"filippo.io/torchwood"
	"github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: witness cosign KEY | witness quorum POLICY")
	}
	file, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "cosign":
		err = cosign(data, strings.TrimSpace(string(file)))
	case "quorum":
		err = quorum(data, file)
	default:
		err = errors.New("cosign or quorum is expected")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func cosign(data []byte, key string) error {
	parts := strings.SplitN(key, "+", 5)
	if len(parts) != 5 {
		return errors.New("not a signing key")
	}
	seed, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return errors.New("not a signing key of Ed25519")
	}
	signer, err := torchwood.NewCosignatureSigner(parts[2], ed25519.NewKeyFromSeed(seed[1:]))
	if err != nil {
		return err
	}
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(data, note.VerifierList()); !errors.As(err, &unverified) {
		return fmt.Errorf("not a note: %w", err)
	}
	signed, err := note.Sign(unverified.Note, signer)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(signed)
	return err
}

func quorum(data, policy []byte) error {
	group, err := witness.ParsePolicy(policy)
	if err != nil {
		return err
	}
	for _, n := range bytes.Split(bytes.TrimSuffix(data, []byte{0}), []byte{0}) {
		fmt.Println(group.Satisfied(n))
	}
	return nil
}
