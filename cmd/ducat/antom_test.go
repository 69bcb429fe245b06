package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ducatpay/ducat/internal/wire/antom/signature"
)

func TestAntomKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := "sqlite:" + filepath.Join(dir, "a.db")
	out, err := command(t, "antom", "keys", "--client-id", "SANDBOX_5Y00000000000001", "--db", db)
	if err != nil || !strings.Contains(out, "key version          1") {
		t.Fatalf("%q %v", out, err)
	}
	keys := regexp.MustCompile(`(?m)^MI[A-Za-z0-9+/=]+$`).FindAllString(out, -1)
	if len(keys) != 4 {
		t.Fatalf("%d keys in %s", len(keys), out)
	}
	eight, err8 := signature.ParsePrivate(keys[2])
	one, err1 := signature.ParsePrivate(keys[3])
	public, errp := signature.ParsePublic(keys[1])
	if err8 != nil || err1 != nil || errp != nil || !eight.Equal(one) || !public.Equal(&eight.PublicKey) {
		t.Errorf("the keys do not belong together: %v %v %v", err8, err1, errp)
	}
	file := filepath.Join(dir, "public.txt")
	if err := os.WriteFile(file, []byte(keys[1]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = command(t, "antom", "keys", "--client-id", "SANDBOX_5Y00000000000001", "--public-key", file, "--db", db)
	if err != nil || !strings.Contains(out, "key version          2") || strings.Contains(out, "private") || !strings.Contains(out, keys[0]) {
		t.Errorf("%q %v", out, err)
	}
	account, err := command(t, "keys", "create", "--name", "Shop", "--db", db)
	if err != nil {
		t.Fatal(err)
	}
	acct := strings.Fields(account)[1]
	if out, err := command(t, "antom", "keys", "--client-id", "5Y00000000000002", "--account", acct, "--live", "--db", db); err != nil || !strings.Contains(out, "5Y00000000000002") {
		t.Errorf("%q %v", out, err)
	}
	for args, want := range map[string]string{
		"antom keys --client-id nobody":                                            "is no client id",
		"antom keys --client-id SANDBOX_5Y00000000000001 --live --account " + acct: "cannot be live",
		"antom keys --client-id x --account acct_1None":                            "is not in this database",
		"report --client-id nobody":                                                "not known here",
	} {
		if out, err := command(t, append(strings.Fields(args), "--db", db)...); err == nil || !strings.Contains(err.Error()+out, want) {
			t.Errorf("%s: %v %q", args, err, out)
		}
	}
	if out, err := command(t, "report", "--client-id", "SANDBOX_5Y00000000000001", "--db", db); err != nil || !strings.Contains(out, "no reports yet") {
		t.Errorf("%q %v", out, err)
	}
}
