package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/id"
	"github.com/ducatpay/ducat/internal/merchant"
	"github.com/ducatpay/ducat/internal/report"
	"github.com/ducatpay/ducat/internal/server"
	"github.com/ducatpay/ducat/internal/store"
	"github.com/ducatpay/ducat/internal/wire/antom"
)

type antomCmd struct {
	Keys antomKeysCmd `cmd:"" help:"Register a client's public key, or make a key pair, and print what each SDK needs."`
}

type antomKeysCmd struct {
	database  `embed:""`
	ClientID  string `name:"client-id" help:"Client id; SANDBOX_ and eight or more letters or digits for a sandbox." required:""`
	PublicKey string `name:"public-key" help:"File with the merchant's public key (PEM, or one line of base64). Without it a pair is made; its private key is shown this once." type:"existingfile"`
	Account   string `help:"Account the client id is to belong to, for client ids that are no sandbox's."`
	Live      bool   `help:"The account's live half."`
	Gateway   string `help:"Address at which SDKs reach the server." default:"http://127.0.0.1:12111"`
}

// assembled opens the database and the product on it, without serving.
func (d database) assembled(ctx context.Context) (*server.Server, store.Store, error) {
	s, err := d.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	return server.New(s, server.Config{Sandbox: true, Log: slog.New(slog.DiscardHandler), Clock: clock.Wall{}, IDs: id.System()}), s, nil
}

// Run registers the key.
func (c *antomKeysCmd) Run(ctx context.Context, out streams) error {
	public := ""
	if c.PublicKey != "" {
		b, err := os.ReadFile(c.PublicKey)
		if err != nil {
			return err
		}
		public = string(b)
	}
	srv, s, err := c.assembled(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := c.own(ctx, s); err != nil {
		return err
	}
	owner, err := srv.Antom.MerchantOfClient(ctx, c.ClientID)
	if err != nil {
		return fmt.Errorf("--client-id %s is no client id: write SANDBOX_ and eight to fifty letters or digits, or name the --account it is to belong to", c.ClientID)
	}
	pair, err := srv.Antom.RegisterKey(ctx, owner, c.ClientID, public)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.out, `client id            %s
key version          %d
gateway              %s

Antom public key (all SDKs):
%s

Merchant public key, as registered:
%s
`, pair.ClientID, pair.Version, c.Gateway, pair.Ours, pair.Public)
	if pair.PrivatePKCS8 == "" {
		return nil
	}
	fmt.Fprintf(out.out, `
Merchant private key for Java, Go, .NET and PHP (PKCS#8):
%s

The same key for Python (PKCS#1):
%s

Go     client.NewDefaultAlipayClient(gateway, clientID, privateKey, antomPublicKey)
Java   new DefaultAlipayClient(gateway, privateKey, antomPublicKey, clientID)   gateway over HTTPS: ducat serve --tls
Python DefaultAlipayClient(gateway, client_id, private_key, antom_public_key)   HTTPS on port 443: ducat serve --tls --tls-listen ADDRESS:443
`, pair.PrivatePKCS8, pair.PrivatePKCS1)
	return nil
}

// own makes a client id that is no sandbox's the account's.
func (c *antomKeysCmd) own(ctx context.Context, s store.Store) error {
	if c.Account == "" {
		return nil
	}
	if _, sandbox := antom.SandboxAccount(c.ClientID); sandbox && c.Live {
		return fmt.Errorf("--client-id %s is a sandbox's and cannot be live", c.ClientID)
	}
	merchantID := merchant.IDFor(c.Account, c.Live)
	if err := s.View(ctx, merchantID, func(r store.Reader) error { _, err := r.Merchant(); return err }); err != nil {
		return fmt.Errorf("--account %s is not in this database (make one with: ducat keys create)", c.Account)
	}
	return s.PutCredential(ctx, store.Credential{
		Hash: merchant.KeyHash(c.ClientID), Merchant: merchantID, Kind: antom.CredentialKind, Created: time.Now().UTC().Truncate(time.Millisecond),
	})
}

type reportCmd struct {
	database `embed:""`
	ClientID string `name:"client-id" help:"Client id whose reports are wanted." required:""`
	Out      string `help:"Folder to write the files to; without it they are listed."`
}

// Run lists or writes a merchant's report files.
func (c *reportCmd) Run(ctx context.Context, out streams) error {
	srv, s, err := c.assembled(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	owner, err := srv.Antom.MerchantOfClient(ctx, c.ClientID)
	if err != nil {
		return fmt.Errorf("--client-id %s is not known here", c.ClientID)
	}
	var files []report.File
	if err := s.View(ctx, owner, func(r store.Reader) (err error) {
		files, err = report.Files(r)
		return err
	}); err != nil {
		return err
	}
	for _, f := range files {
		if c.Out == "" {
			fmt.Fprintf(out.out, "%s  %7d  %s\n", f.Created.UTC().Format(time.RFC3339), len(f.Data), f.Path)
			continue
		}
		name := filepath.Join(c.Out, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(out.out, name)
	}
	if len(files) == 0 {
		fmt.Fprintln(out.out, "there are no reports yet: a day is reported a quarter past its midnight in China, and settled at ten")
	}
	return nil
}
