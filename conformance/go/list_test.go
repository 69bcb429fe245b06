package conformance_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ran has the list's judge compare names with the list.
func ran(t *testing.T, names []string) (said string, err error) {
	t.Helper()
	for _, input := range []string{"../SCENARIOS.md", "../ran.sh"} { // of the cached result
		if _, err := os.Stat(input); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "ran")
	if err := os.WriteFile(file, []byte(strings.Join(names, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "../ran.sh", "conformance/go", file).CombinedOutput()
	return string(out), err
}

// TestScenarioList shows that this suite runs the whole list, and that a suite
// that does not, or that has one of its own, is found out.
func TestScenarioList(t *testing.T) {
	t.Parallel()
	names := []string{"restart"} // which needs the server's life in its hands
	for _, sc := range scenarios {
		names = append(names, sc.name)
	}
	if said, err := ran(t, names); err != nil {
		t.Errorf("this suite and the list differ: %s", said)
	}
	if said, err := ran(t, names[1:]); err == nil || !strings.Contains(said, "conformance/go did not run: restart\n") {
		t.Errorf("without one: %v, %s", err, said)
	}
	if said, err := ran(t, append(names, "extra")); err == nil || !strings.Contains(said, "conformance/go ran what is not listed: extra\n") {
		t.Errorf("with one more: %v, %s", err, said)
	}
}
