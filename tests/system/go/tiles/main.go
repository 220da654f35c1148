// Command tiles reads a whole log with filippo.io/torchwood and checks that every entry is in its tree.
//
//	tiles URL KEY [OLDER]    URL is the prefix of the log, KEY a file of its verifier key
//
// OLDER is a file of an earlier checkpoint, whose tree the new one has to continue. A token comes from LOG_TOKEN.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+string(b))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 || len(os.Args) > 4 {
		log.Fatal("usage: tiles URL KEY [OLDER]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := check(ctx, os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		log.Fatal(err)
	}
}

func check(ctx context.Context, url, keyFile string, older []string) error {
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(string(key)))
	if err != nil {
		return err
	}
	fetcher, err := torchwood.NewTileFetcher(url,
		torchwood.WithHTTPClient(&http.Client{Transport: bearer(os.Getenv("LOG_TOKEN"))}),
		torchwood.WithConcurrencyLimit(4))
	if err != nil {
		return err
	}
	signed, err := fetcher.ReadEndpoint(ctx, "checkpoint")
	if err != nil {
		return err
	}
	tree, err := checked(signed, verifier)
	if err != nil {
		return err
	}
	client, err := torchwood.NewClient(fetcher)
	if err != nil {
		return err
	}
	if err := readAll(ctx, client, tree); err != nil {
		return err
	}
	for _, name := range older {
		if err := continues(ctx, fetcher, verifier, tree, name); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries are in the tree with the root %s\n", tree.N, tree.Hash)
	return nil
}

func checked(signed []byte, verifier note.Verifier) (tlog.Tree, error) {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	point, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil {
		return tlog.Tree{}, err
	}
	if point.Origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("a checkpoint of %q", point.Origin)
	}
	return point.Tree, nil
}

// readAll reads the entries twice: as one who follows the log, and those at the ends of bundles one by one, with proofs.
func readAll(ctx context.Context, client *torchwood.Client, tree tlog.Tree) error {
	// The first pass may leave out the last bundle, where it is not full.
	for next := int64(0); next < tree.N; {
		before := next
		for i := range client.Entries(ctx, tree, next) {
			next = i + 1
		}
		if err := client.Err(); err != nil {
			return err
		}
		if next == before {
			return fmt.Errorf("no entry behind %d", next)
		}
	}
	for _, i := range []int64{0, 255, 256, tree.N / 2, tree.N - 1} {
		if i < 0 || i >= tree.N {
			continue
		}
		if _, _, err := client.Entry(ctx, tree, i); err != nil {
			return err
		}
	}
	return nil
}

func continues(ctx context.Context, fetcher torchwood.TileReader, verifier note.Verifier, tree tlog.Tree, name string) error {
	signed, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	old, err := checked(signed, verifier)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, torchwood.TileHashReaderWithContext(ctx, tree, fetcher))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return err
	}
	fmt.Printf("it continues the tree of %d entries\n", old.N)
	return nil
}
