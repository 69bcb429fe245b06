package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestRestrictedKeys: made with an account or later, refused with permissions
// nobody knows, revoked at once.
func TestRestrictedKeys(t *testing.T) {
	t.Parallel()
	db := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	out, err := command(t, "keys", "create", "--name", "Shop", "--permission", "rak_charge_read", "--permission", "rak_customer_write", "--db", db)
	if err != nil || !strings.Contains(out, "rk_test_5") || !strings.Contains(out, "rk_live_5") {
		t.Fatalf("%q %v", out, err)
	}
	account := strings.Fields(out)[1]
	for _, live := range []string{"--live=false", "--live"} {
		out, err := command(t, "keys", "restrict", "--account", account, live, "--db", db)
		if err != nil || !strings.Contains(out, "rk_") {
			t.Fatalf("%q %v", out, err)
		}
		key := strings.Fields(out)[1]
		if out, err := command(t, "keys", "revoke", key, "--db", db); err != nil || out != "revoked\n" {
			t.Errorf("%q %v", out, err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"keys create --name x --permission rak_nothing_write", `no permission "rak_nothing_write"; there are rak_account_read`},
		{"keys restrict --permission charges --account " + account, `no permission "charges"`},
		{"keys restrict --account acct_1None", "--account acct_1None is not in this database"},
		{"keys revoke sk_test_nobody", "not known here"},
	} {
		if out, err := command(t, append(strings.Fields(c.args), "--db", db)...); err == nil || !strings.Contains(err.Error()+out, c.want) {
			t.Errorf("%s: %v %q", c.args, err, out)
		}
	}
}
