// Command note opens and signs notes with golang.org/x/mod/sumdb/note.
//
//	note open KEYS <NOTE     the text and who signed it; KEYS is a file of verifier keys, one a line
//	note sign KEY <NOTE      the note with one more signature; KEY is a file of a signing key
//	note each KEYS <NOTES    whether each can be opened (package frames)
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"example.com/log-tools/frames"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: note open KEYS | note sign KEY | note each KEYS")
	}
	keys, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	switch os.Args[1] {
	case "open":
		var said string
		said, err = open(data, strings.Fields(string(keys)))
		fmt.Print(said)
	case "sign":
		err = sign(data, strings.TrimSpace(string(keys)))
	case "each":
		err = frames.Verdicts(data, func(data []byte) error {
			_, err := open(data, strings.Fields(string(keys)))
			return err
		})
	default:
		err = errors.New("open, sign or each is expected")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// open gives the text of a note, and a line for each of the keys that signed it.
func open(data []byte, keys []string) (string, error) {
	var verifiers []note.Verifier
	for _, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return "", err
		}
		verifiers = append(verifiers, verifier)
	}
	n, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return "", err
	}
	said := n.Text
	for _, s := range n.Sigs {
		said += fmt.Sprintf("signed by %s+%08x\n", s.Name, s.Hash)
	}
	return said, nil
}

// sign keeps the signatures that are there, as those of others.
func sign(data []byte, key string) error {
	signer, err := note.NewSigner(key)
	if err != nil {
		return err
	}
	n := &note.Note{Text: string(data)}
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(data, note.VerifierList()); errors.As(err, &unverified) {
		n = unverified.Note
	}
	signed, err := note.Sign(n, signer)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(signed)
	return err
}
