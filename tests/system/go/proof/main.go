// Command proof checks proofs with the packages of transparency-dev.
//
//	proof inclusion KEY <PROOF             a tlog-proof (formats/proof); its extra data hold the entry
//	proof each KEY <PROOFS                 whether each is one (package frames)
//	proof consistency KEY OLDER <JSON      {"from", "size", "hashes", "checkpoint"}; OLDER is a file of a checkpoint
//
// KEY is a file of the log's verifier key.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"example.com/log-tools/frames"
	f_log "github.com/transparency-dev/formats/log"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: proof inclusion KEY | proof each KEY | proof consistency KEY OLDER")
	}
	key, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		log.Fatal(err)
	}
	data, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case os.Args[1] == "inclusion" && len(os.Args) == 3:
		var said string
		said, err = inclusion(data, verifier)
		fmt.Print(said)
	case os.Args[1] == "each" && len(os.Args) == 3:
		err = frames.Verdicts(data, func(data []byte) error {
			_, err := inclusion(data, verifier)
			return err
		})
	case os.Args[1] == "consistency" && len(os.Args) == 4:
		err = consistency(data, verifier, os.Args[3])
	default:
		err = errors.New("inclusion, each or consistency is expected")
	}
	if err != nil {
		log.Fatal(err)
	}
}

func inclusion(data []byte, verifier note.Verifier) (string, error) {
	var p tlogproof.TLogProof
	if err := p.Unmarshal(data); err != nil {
		return "", err
	}
	if string(p.Marshal()) != string(data) {
		return "", errors.New("the proof would be written down in another way")
	}
	var extra struct {
		Entry map[string]any `json:"entry"`
	}
	if err := json.Unmarshal(p.ExtraData, &extra); err != nil {
		return "", err
	}
	// Sorted and without spaces: all values of an entry are texts or small integers.
	entry, err := json.Marshal(extra.Entry)
	if err != nil {
		return "", err
	}
	point, _, _, err := f_log.ParseCheckpoint(p.Checkpoint, verifier.Name(), verifier)
	if err != nil {
		return "", err
	}
	path := make([][]byte, len(p.Hashes))
	for i := range p.Hashes {
		path[i] = p.Hashes[i][:]
	}
	hasher := rfc6962.DefaultHasher
	if err := proof.VerifyInclusion(hasher, p.Index, point.Size, hasher.HashLeaf(entry), path, point.Hash); err != nil {
		return "", err
	}
	return fmt.Sprintf("entry %d of %d: %s\n", p.Index, point.Size, entry), nil
}

func consistency(data []byte, verifier note.Verifier, olderFile string) error {
	var answer struct {
		From, Size uint64
		Hashes     [][]byte // base64
		Checkpoint string
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	older, err := os.ReadFile(olderFile)
	if err != nil {
		return err
	}
	from, _, _, err := f_log.ParseCheckpoint(older, verifier.Name(), verifier)
	if err != nil {
		return err
	}
	to, _, _, err := f_log.ParseCheckpoint([]byte(answer.Checkpoint), verifier.Name(), verifier)
	if err != nil {
		return err
	}
	if from.Size != answer.From || to.Size != answer.Size {
		return errors.New("a proof between other trees")
	}
	err = proof.VerifyConsistency(rfc6962.DefaultHasher, from.Size, to.Size, answer.Hashes, from.Hash, to.Hash)
	if err != nil {
		return err
	}
	fmt.Printf("the tree of %d entries continues that of %d\n", to.Size, from.Size)
	return nil
}
